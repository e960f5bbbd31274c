"""Each thing that a transform may be made of counts once: as it is written, and in any process."""

from __future__ import annotations

import importlib
import inspect
import itertools
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from dualtable import Chain, Convert, Migration
from dualtable._transforms.fingerprint import _describe, _Scope, fingerprint
from dualtable.errors import TransformError

Make = Callable[..., types.ModuleType]
PROJECT = Path(__import__("dualtable").__file__).parents[1]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Import a module ``made`` of a text, with others beside it, from a folder of their own."""
    numbers = itertools.count()

    def made(text: str, **beside: str) -> types.ModuleType:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        for name in ("made", "helpers", *beside):
            monkeypatch.delitem(sys.modules, name, raising=False)
        for name, content in {"made": text, **beside}.items():
            (folder / f"{name}.py").write_text(content, encoding="utf-8")
        monkeypatch.syspath_prepend(str(folder))
        return importlib.import_module("made")

    return made


MODELS = """
from attrs import frozen
from dualtable import ModelTransform

@frozen
class Line:
    sku: str
    {more}

{quoted}
@frozen
class Order:
    id: str
    line: {hint}

T = ModelTransform(Order, Order, lambda order: order)
"""
SEEN = {
    # what a quoted annotation names, however deep
    "quoted": (MODELS.format(more="n: int = 1", hint="'Line'", quoted=""), "n: int", "m: int"),
    "quoted in a list": (
        MODELS.format(more="n: int = 1", hint="list['Line']", quoted=""),
        "= 1",
        "= 2",
    ),
    "quoted in a union": (
        MODELS.format(more="n: int = 1", hint="'Line | None'", quoted=""),
        "= 1",
        "= 2",
    ),
    "quoted in an alias": (
        MODELS.format(more="n: int = 1", hint="Lines", quoted="Lines = list['Line']"),
        "= 1",
        "= 2",
    ),
    "behind a new type": (
        MODELS.format(
            more="n: int = 1",
            hint="'L'",
            quoted="from typing import NewType\nL = NewType('L', Line)",
        ),
        "= 1",
        "= 2",
    ),
    # a function's other parts
    "singledispatch": (
        "import functools\n@functools.singledispatch\ndef area(x):\n    return 0\n"
        "@area.register\ndef _(x: int):\n    return x * 2\ndef T(item):\n    return area(item)\n",
        "x * 2",
        "x * 3",
    ),
    "singledispatch, given": (
        "import functools\n@functools.singledispatch\ndef T(x):\n    return 0\n"
        "@T.register\ndef _(x: int):\n    return x * 2\n",
        "return 0",
        "return 1",
    ),
    "contextmanager": (
        "import contextlib\n@contextlib.contextmanager\ndef opened():\n    yield 5\n"
        "def T(item):\n    with opened() as x:\n        return x\n",
        "yield 5",
        "yield 6",
    ),
    "own code around Python's": (
        "import functools, json\n@functools.wraps(json.loads)\ndef loads(text):\n    return 5\n"
        "def T(item):\n    return loads(item)\n",
        "return 5",
        "return 6",
    ),
    "own code around Python's, given": (
        "import functools, json\n@functools.wraps(json.loads)\ndef T(text):\n    return 5\n",
        "return 5",
        "return 6",
    ),
    "one of two of a name": (
        "from dualtable import Chain, Convert\nf = lambda x: 1\ng = lambda x: 2\n"
        "T = Chain(Convert('a', f), Convert('b', g), Convert('c', f))\n",
        "('c', f)",
        "('c', g)",
    ),
    # what Python's own values are made of
    **{
        f"value {old}": (f"{imports}\nT = Convert('a', {text})\n", old, new)
        for imports, text, old, new in [
            ("from decimal import Decimal", "Decimal(100).__mul__", "100", "1000"),
            ("from decimal import Context", "Context(prec=4).create_decimal", "4", "5"),
            ("from decimal import *", "Context(traps=[Inexact]).add", "Inexact", "Rounded"),
            ("from string import Template", "Template('$a').substitute", "$a", "$b"),
            ("from json import *", "JSONDecoder(parse_float=str).decode", "str", "repr"),
            ("from json import *", "JSONEncoder(indent=2).encode", "2", "3"),
            ("from operator import *\nf = lambda x: 1", "methodcaller('map', f)", "x: 1", "x: 2"),
        ]
        for imports in [f"from dualtable import Convert\n{imports}"]
    },
    **{
        f"constant {old}": (f"{imports}\nC = {text}\ndef T(item):\n    return C\n", old, new)
        for imports, text, old, new in [
            ("from types import *", "SimpleNamespace(r=2)", "r=2", "r=3"),
            ("from collections import *", "ChainMap({'a': 2})", "'a': 2", "'a': 3"),
            ("from collections import *", "deque([1, 2])", "[1, 2]", "[2, 1]"),
            ("from collections import *", "deque([7], maxlen=2)", "n=2", "n=3"),
            ("from collections import *", "defaultdict(int, a=1)", "int", "float"),
            ("from collections import *", "UserDict(u=1)", "u=1", "u=2"),
            ("", "bytearray(b'x')", "b'x'", "b'y'"),
            ("", "slice(1, 3)", "(1, 3)", "(1, 4)"),
            ("from enum import *\nclass S(Enum):\n    a = 1\n    b = 2", "S.a", "S.a", "S.b"),
            ("import random, threading", "random.Random()", "random.Random", "threading.Lock"),
        ]
    },
    # own classes below Python's
    **{
        f"own {base}": (
            f"from typing import NamedTuple\nclass Own({base}):\n    a: int\n"
            f"    def value(self):\n        return 1\n"
            f"C = Own({given})\ndef T(item):\n    return C.value()\n",
            "return 1",
            "return 2",
        )
        for base, given in [("dict", "a=1"), ("str", "'a'"), ("NamedTuple", "1"), ("list", "[1]")]
    },
    # what classes hold
    "a cached property": (
        "import functools\ndef made(n):\n    class Made:\n        @functools.cached_property\n"
        "        def rate(self):\n            return n\n"
        "        def __call__(self, item):\n            return self.rate\n"
        "    return Made()\nT = made(5)\n",
        "made(5)",
        "made(6)",
    ),
    "a cached method": (
        "import functools\ndef made(n):\n    class Made:\n        @functools.cache\n"
        "        def __call__(self, item):\n            return n\n"
        "    return Made()\nT = made(5)\n",
        "made(5)",
        "made(6)",
    ),
    "a field that does not compare": (
        "import attrs\n@attrs.frozen\nclass Own:\n    n: int = attrs.field(eq=False)\n"
        "    def __call__(self, item):\n        return self.n\nT = Own(5)\n",
        "Own(5)",
        "Own(6)",
    ),
    **{
        f"set after the body: {old}": (
            f"class Own:\n    {body}\n    def __call__(self, item):\n        return self.n\n"
            f"{later}\nT = Own()\n",
            old,
            new,
        )
        for body, later, old, new in [
            ("m = 1", "Own.n = 5", "n = 5", "n = 6"),
            ("n = 1", "Own.n = 7", "n = 7", "n = 8"),
            ("n: int", "Own.n = 9", "n = 9", "n = 10"),
            ("m = 1", "def f(self): return 11\nOwn.n = f", "11", "12"),
        ]
    },
    # classes that a call has made
    **{
        f"made by {text}": (
            f"{imports}\nP = {text}\ndef T(item, kind=P):\n    return P\n",
            old,
            new,
        )
        for imports, text, old, new in [
            ("from collections import *", "namedtuple('P', 'a b')", "a b", "b a"),
            ("from collections import *", "namedtuple('P', 'a', defaults=[1])", "[1]", "[2]"),
            ("from typing import *", "NamedTuple('P', [('a', int)])", "int", "str"),
            ("from enum import *", "Enum('P', {'a': 1})", ": 1", ": 2"),
            ("from typing import *", "TypedDict('P', {'a': int})", "'a'", "'b'"),
            ("from typing import *", "TypedDict('P', {'c': int}, total=True)", "True", "False"),
        ]
    },
    "below a named tuple": (
        "from collections import namedtuple\nclass P(namedtuple('P', 'a b')):\n"
        "    def total(self):\n        return self.a\ndef T(item):\n    return P(1, 2)\n",
        "self.a",
        "self.b",
    ),
}


@pytest.mark.parametrize(("text", "old", "new"), SEEN.values(), ids=SEEN)
def test_a_change_of_what_it_does_is_seen(make: Make, text: str, old: str, new: str) -> None:
    """Two formats in one table are what the fingerprint is there to prevent."""
    assert text.count(old) == 1
    before = fingerprint(make(text).T)
    assert fingerprint(make(text).T) == before
    assert fingerprint(make(text.replace(old, new)).T) != before


@pytest.mark.parametrize(
    "text",
    [
        "def T(i):\n    from helpers import g\n    return g(i)\n",
        "def T(i):\n    from helpers import g as h\n    return h(i)\n",
        "def T(i):\n    import helpers\n    return helpers.g(i)\n",
        "def T(i):\n    import helpers as h\n    return h.g(i)\n",
        "class Own:\n    def __call__(self, i):\n        from helpers import g\n"
        "        return g(i)\nT = Own()\n",
    ],
)
def test_what_is_imported_where_it_is_used_is_seen(make: Make, text: str) -> None:
    """An import inside a function names the same as one above it."""
    one, same, other = (
        fingerprint(make(text, helpers=f"def g(i):\n    return {n}\n").T) for n in (1, 1, 2)
    )
    assert one == same != other


def test_imports_inside_of_a_package_are_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative ones, of modules and of what is in them."""
    found = []
    for number, factor in enumerate((1, 1, 2)):
        package = tmp_path / str(number) / "inner"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "helpers.py").write_text(f"def g(i):\n    return {factor}\n")
        (package / "made.py").write_text(
            "def T(i):\n    from . import helpers\n    return helpers.g(i)\n"
            "def U(i):\n    from .helpers import g\n    return g(i)\n"
            "def V(i):\n    import inner.helpers\n    return inner.helpers.g(i)\n"
        )
        with monkeypatch.context() as patch:
            patch.syspath_prepend(str(package.parent))
            for name in ("inner", "inner.made", "inner.helpers"):
                patch.delitem(sys.modules, name, raising=False)
            made = importlib.import_module("inner.made")
            found.append([fingerprint(each) for each in (made.T, made.U, made.V)])
            for name in ("inner", "inner.made", "inner.helpers"):
                sys.modules.pop(name, None)
    one, same, other = found
    assert one == same
    assert all(map(str.__ne__, one, other))


def test_what_others_provide_is_not_imported(make: Make) -> None:
    """A library that a function imports when it runs may be slow to import, or not be there."""
    made = make(
        "def T(i):\n    import no_such_library, wsgiref.handlers\n    from no_such import x\n"
        "    from cattrs import Converter\n    return x\n"
    )
    sys.modules.pop("wsgiref.handlers", None)
    lines = list(_describe(made.T, _Scope()))
    assert "wsgiref.handlers" not in sys.modules
    assert not any(line.startswith("name ") for line in lines)


# -- the same in every process ---------------------------------------------------------------------

UNORDERED = """
import datetime
import operator
from attrs import frozen
from dualtable import Chain, Convert

def helped(value): return value

class Base: shared = 1
class A(Base): pass
class B(Base): pass
class C(Base): pass

@frozen
class Rule:
    name: str
    factor: int
    def __call__(self, value): return helped(value)

class Zone(datetime.tzinfo): pass

def closing(number):
    def closed(item): return helped(item), number
    return closed

def of_class(number):
    class Local:
        def __call__(self, item): return helped(item), number
    return Local

RULES = frozenset({Rule("a", 1), Rule("b", 2), Rule("c", 3)})
KINDS = {A, B, C}
BY_NAME = {name: Rule(name, 1) for name in {"a", "b", "c", "d"}}
NESTED = frozenset({frozenset({A, Rule("a", 1)}), frozenset({B, Rule("b", 1)}), frozenset({C})})
CLOSED = {closing(1), closing(2), closing(3), helped}
LOCAL = {of_class(1), of_class(2), of_class(3)}
ZONES = {Zone(): "a"}

def rules(item): return RULES
def kinds(item): return KINDS
def by_name(item): return BY_NAME
def nested(item): return NESTED
def closed(item): return CLOSED
def local(item): return LOCAL
def zones(item): return ZONES

ALL = [rules, kinds, by_name, nested, closed, local, zones]
ALL += [Chain(*ALL), Convert("a", operator.methodcaller("map", helped))]

if __name__ == "__main__":
    from dualtable._transforms.fingerprint import fingerprint
    print(*(fingerprint(each) for each in ALL))
"""


def test_what_has_no_order_is_the_same_in_every_process(tmp_path: Path) -> None:
    """Sets go by hashes of texts, or by addresses; whatever comes first has the shared source."""
    (tmp_path / "unordered.py").write_text(UNORDERED, encoding="utf-8")
    path = os.pathsep.join([str(PROJECT), *sys.path])
    found = set()
    for seed in range(5):
        run = subprocess.run(
            [sys.executable, "unordered.py"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONHASHSEED": str(seed), "PYTHONPATH": path},
            capture_output=True,
            text=True,
        )
        assert run.stderr == ""
        found.add(run.stdout)
    assert len(found) == 1
    assert len(set(*(each.split() for each in found))) == len(next(iter(found)).split())


def test_a_large_table_of_objects_is_read_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their class is looked up in its file a few times, not for each of them."""
    made = make(
        "class Rule:\n    def __init__(self, n):\n        self.n = n\n"
        "RULES = {n: Rule(n) for n in range(300)}\ndef T(item):\n    return RULES\n"
    )
    reads = []
    find = inspect.findsource
    monkeypatch.setattr(inspect, "findsource", lambda value: reads.append(value) or find(value))
    fingerprint(made.T)
    assert len(reads) == 2


def test_tables_of_functions_that_use_one_another_come_to_an_end(make: Make) -> None:
    """Each function is followed once, however many ways lead to it."""
    tables = range(8)
    functions = "".join(
        f"def f{t}_{n}(item):\n    return {', '.join(f'T{other}' for other in tables)}\n"
        for t in tables
        for n in range(8)
    )
    texts = "".join(f"T{t} = {{{', '.join(f'f{t}_{n}' for n in range(8))}}}\n" for t in tables)
    fingerprint(make(f"{functions}{texts}def T(item):\n    return T0\n").T)


# -- what Python is made of ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["singledispatch", "contextmanager"])
def test_python_s_own_source_does_not_count(make: Make, name: str) -> None:
    """A newer Python, with other words in its library, is no other transform."""
    lines = "\n".join(_describe(make(SEEN[name][0]).T, _Scope()))
    assert "args" not in lines


def test_what_a_class_is_of_does_not_count_where_it_is_not_settled(make: Make) -> None:
    """Paths have a class for each platform; a process may set one for its loggers."""
    text = "{}\ndef T(item):\n    return C\n"
    path, loud = "import pathlib\nC = pathlib.{}", "import logging\nC = logging.{}"
    found = {
        fingerprint(make(text.format(constant)).T)
        for constant in (
            path.format("PurePosixPath('a')"),
            path.format("PureWindowsPath('b')"),
            loud.format("getLogger('x')"),
            loud.format("getLogger()"),
        )
    }
    assert len(found) == 1


def test_other_packages_count_by_name(make: Make) -> None:
    """A decorator such as attrs' `frozen`, which is a `partial`, changes with another version."""
    made = make(
        "import functools\nfrom attrs import frozen\nfrom cattrs import global_converter\n"
        "import helpers\nread = global_converter.structure\n"
        "@frozen\nclass Order:\n    id: str\n"
        "mine = functools.partial(helpers.g, 1)\n"
        "def T(item):\n    return mine(read(item, Order))\n",
        helpers="def g(i):\n    return 'of helpers'\n",
    )
    lines = "\n".join(_describe(made.T, _Scope()))
    assert "attr.define" in lines
    assert "of helpers" in lines
    assert lines.count("def ") == 2


def test_what_a_body_gives_is_not_said_twice(make: Make) -> None:
    """A class attribute is in the source, however it came about."""
    body = "a = 1\n    b = c = 'x'\n    d: int = -2\n    e, f = 3, 4\n    g = 2 + 3\n    h = {1}"
    body += "\n    for i in (1, 2):\n        j = i\n    k = staticmethod(len)\n    l = [i, a]"
    made = make(
        f"class Own:\n    {body}\n    def __call__(self, item):\n        return 1\nT = Own()"
    )
    lines = list(_describe(made.T, _Scope()))
    assert not any(line.startswith("set ") for line in lines)


class Chained(Chain):
    pass


# -- memos -----------------------------------------------------------------------------------------


def test_a_migration_keeps_its_fingerprint_whatever_its_transform_remembers(make: Make) -> None:
    """A run that is resumed in its process may have filled what was empty."""
    made = make("SEEN = {}\ndef T(item):\n    SEEN[item['id']] = 1\n    return item\n")
    migration = Migration("m", "old", "new", made.T)
    before = migration.fingerprint
    made.T({"id": "o-1"})
    assert migration.fingerprint == before


def test_what_a_class_fills_does_not_count(make: Make) -> None:
    """A registry is filled by whatever a process imports."""
    made = make(
        "class Own:\n    registry = {}\n    kinds = []\n    def __call__(self, item):\n"
        "        return item\nT = Own()\n"
    )
    before = fingerprint(made.T)
    made.Own.registry["a"] = 1
    made.Own.kinds.append("a")
    assert fingerprint(made.T) == before


def test_a_step_of_ones_own_does_not_say_twice_what_it_is_made_of() -> None:
    """What a chain derives from its steps, and where it was written, is no part of it."""
    lines = list(_describe(Chained(Convert("a", str)), _Scope()))
    assert "str 'steps'" in lines
    assert not {"str '_own_steps'", "str 'written_at'"}.intersection(lines)


def test_a_field_that_an_object_works_out_for_itself_is_no_part_of_it(make: Make) -> None:
    """One with neither `init` nor `eq` is the place for a memo."""
    made = make(
        "import attrs\n@attrs.define\nclass Own:\n"
        "    seen: dict = attrs.field(factory=dict, init=False, eq=False)\n"
        "    def __call__(self, item):\n        return item\nT = Own()"
    )
    before = fingerprint(made.T)
    made.T.seen["a"] = 1
    assert fingerprint(made.T) == before


def test_what_is_not_there_yet_does_not_count(make: Make) -> None:
    """A type that only checkers know, and a variable that a function closes over before it is."""
    made = make(
        "class Own:\n    n: 'NoSuch'\n    def __call__(self, item):\n        return item\n"
        "def closing():\n    def closed(item):\n        return later\n    return closed\n"
        "    later = 1\nT = [Own(), closing()]\n"
    )
    assert fingerprint(made.T) == fingerprint(made.T)


# -- what cannot be looked into --------------------------------------------------------------------


@attrs.define
class Unset:
    never: int = attrs.field(init=False)

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        return item


class Stateless:
    __call__ = Unset.__call__

    def __getstate__(self) -> Any:
        raise OSError("secret")


@pytest.mark.parametrize("given", [Unset(), Stateless()], ids=["never set", "raises"])
def test_what_cannot_be_looked_into_is_an_error_that_says_what_to_do(given: Any) -> None:
    """Whatever user code raises when it is looked at, the way on is the same."""
    with pytest.raises(TransformError, match=r"Migration\(version=") as raised:
        fingerprint(Convert("a", given))
    assert "secret" not in str(raised.value)


def test_a_made_class_with_methods_is_out_of_reach() -> None:
    """Its members do not say what its methods do."""
    namespace: dict[str, Any] = {"__name__": "made"}
    methods = ("def f(self): pass", "@property\n    def f(self): pass")
    for method in (*methods, "@classmethod\n    def f(cls): pass"):
        exec(f"import enum\nclass Made(enum.Enum):\n    A = 1\n    {method}", namespace)
        with pytest.raises(TransformError, match=r"source of Made.*Migration\(version="):
            fingerprint(Convert("a", namespace["Made"]))


def test_what_is_nested_too_deeply_is_an_error_that_says_what_to_do() -> None:
    """As above, for a constant of 2,000 levels."""
    deep: list[Any] = []
    for _ in range(2_000):
        deep = [deep]
    with pytest.raises(TransformError, match=r"RecursionError.*Migration\(version="):
        fingerprint(Convert("a", [deep].index))
