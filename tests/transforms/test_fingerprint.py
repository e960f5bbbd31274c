"""A resumed run must notice another transform, and never see one where there is none."""

from __future__ import annotations

import ast
import functools
import importlib
import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fingerprinted
import pytest

from dualtable import Chain, Convert, Migration, Move
from dualtable._transforms.fingerprint import fingerprint
from dualtable.errors import TransformError

Fingerprint = Callable[..., str]

PACKAGE = {
    "shop/__init__.py": "",
    "shop/money.py": """
FACTOR = 100
UNUSED = 1

def to_cents(total):
    return int(total) * FACTOR

def unused():
    return 2
""",
    "shop/migration.py": """
import datetime
import functools
import re
from dataclasses import dataclass
from enum import Enum
from functools import cache, partial

import other
from dualtable import Chain, Convert, Default, Drop, Move
from shop import money
from shop.money import to_cents
import shop.money

NAMES = {"o": "open"}
STEPS = ["a", ["b"]]
TAGS = {"red", "green"}
WORD = re.compile("[a-z]+")
SINCE = datetime.date(2026, 1, 1)
NOISE = 5

class Status(Enum):
    OPEN = "open"

@dataclass(frozen=True)
class Policy:
    limit: int = 7

POLICY = Policy(limit=8)

class Root:
    def shared(self, item):
        return {**item, "shared": 1}

class Upgrade(Root):
    name = "upgrade"

    def __init__(self, rate):
        self.rate = rate

    def forward(self, item):
        return self.shared(helped(item))

    @staticmethod
    def old_key(key):
        return key

    def method(self, item):
        return {**item, "rate": self.rate}

class Slotted:
    __slots__ = ("rate",)

    def __init__(self, rate):
        self.rate = rate

    def __call__(self, item):
        return {**item, "rate": self.rate}

def helped(item):
    return {**item, "helped": 1}

def decorator(number):
    def decorate(function):
        @functools.wraps(function)
        def wrapped(item):
            return {**function(item), "number": number}
        return wrapped
    return decorate

@decorator(3)
def decorated(item):
    return {**item, "decorated": 1}

@cache
def cached(value):
    return value + 4

def closing(value):
    def closed(item):
        return {**item, "closed": value}
    return closed

def enclosing(value):
    class Local:
        def __call__(self, item):
            return {**item, "local": value}
    return Local()

def recursive(item, depth=2):
    return item if depth == 0 else recursive(item, depth - 1)

def data(item):
    return {**item, "data": [NAMES, STEPS, TAGS, POLICY.limit, SINCE, Status.OPEN.value]}

def matched(item):
    return {**item, "matched": bool(WORD.match(item["id"]))}

def partly(item, kind):
    return {**item, "kind": kind}

def imported(item):
    return {**item, "total": to_cents(item["total"])}

def dotted(item):
    return {**item, "total": money.to_cents(shop.money.FACTOR)}

def through_cache(item):
    return {**item, "cached": cached(1)}

def foreign(item):
    return other.change(item)

TRANSFORM = Chain(
    Move("customer.region", "region"),
    Convert("a", lambda a: a + 1),
    Convert("b", lambda b: b + 2), Convert("c", lambda c: c + 3),
    Convert("state", NAMES.get),
    Default("x", {"deep": [1]}),
    Upgrade(rate=5), Slotted(rate=6), Upgrade(rate=5).method,
    decorated, closing(9), enclosing(10), recursive, data, matched,
    partial(partly, kind="k"), imported, dotted, through_cache, foreign,
)
""",
    "other/__init__.py": """
def change(item):
    return item
""",
}


@pytest.fixture
def of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fingerprint:
    """Fingerprint the package as it would be with something replaced, in a folder of its own."""
    numbers = itertools.count()

    def fingerprinted_with(old: str = "", new: str = "") -> str:
        assert not old or sum(text.count(old) for text in PACKAGE.values()) == 1, old
        folder = tmp_path / str(next(numbers))
        for name, text in PACKAGE.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.replace(old, new) if old else text)
        with monkeypatch.context() as patch:
            patch.syspath_prepend(str(folder))
            for name in ("shop", "shop.money", "shop.migration", "other"):
                patch.delitem(sys.modules, name, raising=False)
            result = fingerprint(importlib.import_module("shop.migration").TRANSFORM)
            for name in ("shop", "shop.money", "shop.migration", "other"):
                sys.modules.pop(name, None)
        return result

    return fingerprinted_with


def test_every_change_that_matters_is_seen(of: Fingerprint) -> None:
    """Each replaced bit of a transform gives a fingerprint of its own."""
    changes = [
        ("customer.region", "customer.area"),  # a step's argument
        ("a + 1", "a + 11"),  # a lambda
        ("b + 2", "b + 12"),  # one of two on a line
        ("c + 3", "c + 13"),
        ('{"deep": [1]}', '{"deep": [2]}'),
        ("Upgrade(rate=5), S", "Upgrade(rate=15), S"),  # the state of an object
        ("Slotted(rate=6)", "Slotted(rate=16)"),  # in slots
        ("Upgrade(rate=5).method", "Upgrade(rate=15).method"),  # of a method's object
        ("self.rate}\n\nclass", "self.rate + 1}\n\nclass"),  # a method
        ('name = "upgrade"', 'name = "other"'),  # a class attribute
        ('"shared": 1', '"shared": 2'),  # a base class
        ('"helped": 1', '"helped": 2'),  # a function that a method calls
        ("@decorator(3)", "@decorator(13)"),  # an argument of a decorator
        ('"decorated": 1', '"decorated": 2'),  # what it decorates
        ('"number": number', '"number": -number'),  # the decorator itself
        ("value + 4", "value + 14"),  # behind a cache
        ("closing(9)", "closing(19)"),  # what a function closes over
        ("enclosing(10)", "enclosing(20)"),  # what a class closes over
        ("depth=2", "depth=12"),  # a default
        ("depth - 1", "depth - 2"),  # recursion
        ('{"o": "open"}', '{"o": "opened"}'),  # a dict of the module
        ('["a", ["b"]]', '["a", ["c"]]'),  # a list
        ('{"red", "green"}', '{"red", "blue"}'),  # a set
        ("Policy(limit=8)", "Policy(limit=18)"),  # an object
        ("limit: int = 7", "limit: int = 17"),  # its class
        ("date(2026, 1, 1)", "date(2026, 1, 2)"),
        ('OPEN = "open"', 'OPEN = "ouvert"'),
        ('"[a-z]+"', '"[A-Z]+"'),  # a pattern
        ('kind="k"', 'kind="l"'),  # an argument of a partial
        ('"kind": kind', '"kind": [kind]'),  # its function
        ("int(total)", "round(total)"),  # a function of another module of the package
        ("FACTOR = 100", "FACTOR = 1000"),  # a constant that it uses there
    ]
    found = {old: of(old, new) for old, new in changes}
    same = of()
    assert [old for old, changed in found.items() if changed == same] == []
    assert len(set(found.values())) == len(changes)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("NOISE = 5", "NOISE = 15"),
        ("UNUSED = 1", "UNUSED = 11"),
        ("return 2", "return 12"),
        ("NOISE = 5", "NOISE = 5\n\n\n# moved down"),
        ("import other", "import other\nfrom logging import getLogger\nlog = getLogger('x')"),
        ("\n    return item\n", "\n    return {**item}\n"),  # another package
    ],
)
def test_what_a_transform_does_not_use_does_not_count(of: Fingerprint, old: str, new: str) -> None:
    """A run must not be refused for a change beside the transform, nor for where it lies."""
    assert of(old, new) == of()


# One that is written down is the same for every version that the tests run on.
WRITTEN_DOWN = "6ae403a2e12ab214"
SCRIPT = """
if __name__ == "__main__":
    from dualtable._transforms.fingerprint import fingerprint
    print(fingerprint(TRANSFORM), end="")
"""


def test_every_python_version_agrees() -> None:
    """Machines of one fleet may run different Pythons on the same source."""
    assert fingerprint(fingerprinted.TRANSFORM) == WRITTEN_DOWN


@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_every_process_agrees(tmp_path: Path, seed: str) -> None:
    """Whatever the hash seed, the folder, and whether it is imported or run as a script."""
    text = Path(fingerprinted.__file__).read_text(encoding="utf-8")
    (tmp_path / "script.py").write_text(text + SCRIPT, encoding="utf-8")
    path = os.pathsep.join([str(Path(__import__("dualtable").__file__).parents[1]), *sys.path])
    run = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert (run.stdout, run.stderr) == (WRITTEN_DOWN, "")


def test_a_lone_module_takes_those_beside_it_for_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one file that a user writes may have a second one beside it, without a package."""
    monkeypatch.syspath_prepend(str(tmp_path))
    found = set()
    for number, factor in enumerate((1, 1, 2)):
        names = f"lone{number}", f"beside{number}"
        Path(tmp_path, f"{names[1]}.py").write_text(f"def times(x):\n    return x * {factor}\n")
        Path(tmp_path, f"{names[0]}.py").write_text(
            f"from {names[1]} import times\ndef change(item):\n    return times(item)\n"
        )
        found.add(fingerprint(importlib.import_module(names[0]).change))
    assert len(found) == 2


def test_source_out_of_reach_is_an_error_that_says_what_to_do() -> None:
    """Taking unreadable source for unchanged would mix two formats in one table."""
    namespace: dict[str, Any] = {"__name__": "made"}
    exec("def change(item):\n    return item\nclass Made:\n    def forward(self): ...", namespace)
    for unreadable in (namespace["change"], namespace["Made"](), namespace["Made"]):
        with pytest.raises(TransformError, match=r"Migration\(version="):
            fingerprint(Chain(Move("a", "b"), Convert("a", unreadable)))
    plan = Migration("m", "old", "new", namespace["change"], version="7")
    assert plan.fingerprint == "version:7"


def test_a_file_that_changed_under_the_process_is_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deployment under a running process must not lend its source to the old code."""
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "replaced.py"
    file.write_text("def change(item):\n    return item\n")
    change = importlib.import_module("replaced").change
    file.write_text("# another file now\n\n\ndef change(item):\n    return None\n")
    with pytest.raises(TransformError, match="cannot be read"):
        fingerprint(change)


class Endless:
    def __init__(self) -> None:
        self.me = self
        self.children = [self]

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        return item


def test_what_holds_itself_comes_to_an_end() -> None:
    """Cycles of objects, lists and functions are described once."""
    endless: list[Any] = [Endless()]
    endless.append(endless)
    assert fingerprint(endless) == fingerprint(endless)


def test_equal_data_is_equal_whatever_its_identity() -> None:
    """Whether two equal constants are one object is up to the Python version."""
    one, other = (1, ["a"]), (1, ["a"])
    assert fingerprint([one, one]) == fingerprint([one, other])
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})


def test_foreign_objects_count_by_name_alone() -> None:
    """What another package keeps inside an object, caches and locks, changes without a reason."""
    tree = ast.parse("1")
    assert fingerprint(Convert("a", functools.partial(isinstance, tree))) == fingerprint(
        Convert("a", functools.partial(isinstance, ast.parse("2")))
    )
