"""The texts that a name in Python source may stand for, as far as that is written down.

The rule: every value that a name is bound to anywhere in its module is taken for possible, and so
is every one of a module that it is imported from, if that is looked at, too; what is put into a
dict or a list later is one more. Nothing is run but the methods of a text. No walk through a source
calls itself, since generated code is nested as deep as it likes.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import count, islice, product, zip_longest
from string import Formatter
from typing import Any, TypeAlias

_DEFAULTS = ("config", "env", "get", "getenv", "pop", "setdefault", "str")
"""Calls whose second argument is what they return where there is nothing."""
_SAME = ("Field", "deepcopy", "dict", "partial", "str")
"""Calls that return their first argument, as far as that matters here."""
_OF_ITSELF = ("copy",)
"""Methods that return what they are called on, as far as that matters here."""
_OF_TEXT = frozenset(
    {
        *("capitalize", "casefold", "lower", "swapcase", "title", "upper"),
        *("lstrip", "removeprefix", "removesuffix", "replace", "rstrip", "strip"),
    }
)
"""Methods that make one text of another."""
_ADDS = ("append", "extend", "insert", "update")
_MOST_TEXTS = 50
HOLE = "\0"
"""What stands in a form where nobody knows the text."""

_Scope: TypeAlias = dict[str, list[ast.expr]]
_Made: TypeAlias = tuple[Callable[..., str], list[ast.expr]]


class Bindings(ast.NodeVisitor):
    """What the names and attributes of a module may be bound to, wherever that is in it."""

    def __init__(self, tree: ast.Module) -> None:
        self.names: _Scope = {}
        self.attributes: _Scope = {}
        self.returned: _Scope = {}
        self.imported: dict[str, tuple[str, str | None]] = {}
        """A name here -> the module that it is, or that has it under which name."""
        left: list[tuple[ast.AST, bool]] = [(tree, False)]
        while left:
            node, self._in_class = left.pop()
            self.visit(node)
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            inside = isinstance(node, ast.ClassDef) or (self._in_class and not is_function)
            left += [(child, inside) for child in ast.iter_child_nodes(node)]

    def generic_visit(self, node: ast.AST) -> None:
        """Bind nothing; whoever walks goes on by himself."""

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._bind(target, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign | ast.AugAssign | ast.NamedExpr) -> None:
        if node.value is not None:
            self._bind(node.target, node.value)

    visit_AugAssign = visit_NamedExpr = visit_AnnAssign  # noqa: N815 - the names are Python's

    def visit_For(self, node: ast.For | ast.AsyncFor | ast.comprehension) -> None:
        for each in getattr(node.iter, "elts", ()):
            self._bind(node.target, each)

    visit_AsyncFor = visit_comprehension = visit_For  # noqa: N815

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Attribute) and node.func.attr in _ADDS:
            for added in (*node.args[-1:], *([_dict_of(node)] if node.keywords else [])):
                self._bind(node.func.value, added)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for argument, default in _defaults(node.args):
            self.names.setdefault(argument.arg, []).append(default)
        is_attribute = any("property" in called(each) for each in node.decorator_list)
        scope = self.attributes if is_attribute else self.returned
        returns = (each.value for each in ast.walk(node) if isinstance(each, ast.Return))
        scope.setdefault(node.name, []).extend(value for value in returns if value is not None)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            called = alias.asname or alias.name.partition(".")[0]
            self.imported[called] = (alias.name.rpartition(".")[2], None)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = (node.module or "").rpartition(".")[2]
        for alias in node.names:
            self.imported[alias.asname or alias.name] = (module, alias.name)

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        while isinstance(target, ast.Subscript):
            value = _dict({target.slice: value}, value)
            target = target.value
        if isinstance(target, ast.Name):
            scope = self.attributes if self._in_class else self.names
            scope.setdefault(target.id, []).append(value)
            self.names.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Attribute):
            self.attributes.setdefault(target.attr, []).append(value)
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for each, part in zip(target.elts, value.elts, strict=False):
                self._bind(each, part)


class Texts:
    """The texts that an expression of one module may be, as far as that is written down."""

    def __init__(self, own: Bindings, modules: Mapping[str, list[Bindings]]) -> None:
        self._own = own
        self._modules = modules
        self._texts: dict[ast.AST, set[str]] = {}

    def of(self, node: ast.expr | None) -> set[str]:
        """Return them; none where nothing is known."""
        found: set[str] = set()
        for each in () if node is None else self.reached(node):
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                found.add(each.value)
            elif (made := _made(each)) is not None:
                found |= self._made_of(each, *made)
        return found

    def forms(self, node: ast.expr) -> set[str]:
        """Return the texts that one may be, with a hole for each part that nobody knows."""
        found = set(self.of(node))
        for each in self.reached(node):
            make, parts = _made(each) or (str, [])
            known = (self.of(part) or {HOLE} for part in parts)
            found |= {make(*some) for some in islice(product(*known), _MOST_TEXTS) if some}
        return found or {HOLE}

    def reached(self, node: ast.expr) -> Iterator[ast.AST]:
        """Yield an expression and all that it may be equal to."""
        return _reached(node, self._choices)

    def dicts(self, node: ast.expr) -> Iterator[ast.Dict]:
        """Yield the dicts that an expression may be, and those that it takes over."""
        for each in _reached(node, lambda at: [*_taken_over(at), *self._choices(at)]):
            yield from as_dict(each)

    def members(self, node: ast.expr) -> list[ast.expr]:
        """Return the members of the lists that an expression may be, and what was put into them."""
        found: list[ast.expr] = []
        for each in _reached(node, lambda at: [*_spread(at), *self._choices(at)]):
            if isinstance(each, ast.List | ast.Tuple | ast.Set):
                found += (member for member in each.elts if not isinstance(member, ast.Starred))
            elif isinstance(each, ast.ListComp | ast.GeneratorExp):
                found.append(each.elt)
            elif isinstance(each, ast.Dict) and each.keys:
                found.append(each)
        return found

    def is_foreign(self, name: str) -> bool:
        """Tell whether a name comes from a module that is not looked at, and from nowhere else."""
        is_bound = name in self._own.names or any(self._elsewhere(name))
        return name in self._own.imported and not is_bound

    def _made_of(self, node: ast.AST, make: Callable[..., str], parts: list[ast.expr]) -> set[str]:
        """Return what a text may be that is made of others.

        Nothing while it is a part of itself, nor where it is one of one of one, and so on for ever.
        """
        if node not in self._texts:
            self._texts[node] = set()
            with suppress(RecursionError, TypeError):  # the latter from a method that takes others
                several = islice(product(*map(self.of, parts)), _MOST_TEXTS)
                self._texts[node] = {make(*each) for each in several}
        return self._texts[node]

    def _choices(self, node: ast.AST) -> Iterable[ast.expr]:
        """Return the expressions that one may be equal to."""
        if isinstance(node, ast.FormattedValue | ast.Await | ast.NamedExpr):
            return [node.value]
        if isinstance(node, ast.IfExp):
            return [node.body, node.orelse]
        if isinstance(node, ast.BoolOp):
            return node.values
        if isinstance(node, ast.Call):
            return [*_given_back(node), *self._returned(node.func)]
        return self.bound(node) if isinstance(node, ast.expr) else ()

    def _returned(self, function: ast.expr) -> Iterator[ast.expr]:
        """Yield what a function returns that is defined in one of the modules."""
        name = called(function)
        yield from self._own.returned.get(name, ())
        for module, there in self._elsewhere(root(function)):
            is_itself = isinstance(function, ast.Name) and there is not None
            yield from module.returned.get(there if is_itself and there else name, ())

    def _members(self, node: ast.Subscript) -> Iterator[ast.expr]:
        wanted = getattr(node.slice, "value", None)
        for each in self.bound(node.value):
            if isinstance(each, ast.Dict):
                pairs = zip(each.keys, each.values, strict=True)
                yield from (value for key, value in pairs if getattr(key, "value", ...) == wanted)
            elif isinstance(each, ast.List | ast.Tuple) and isinstance(wanted, int):
                yield from each.elts[wanted : wanted + 1]

    def bound(self, node: ast.expr) -> Iterator[ast.expr]:
        """Yield what a name or an attribute may be bound to."""
        if isinstance(node, ast.Subscript):
            yield from self._members(node)
        elif isinstance(node, ast.Name):
            yield from self._own.names.get(node.id, ())
            for module, name in self._elsewhere(node.id):
                yield from () if name is None else module.names.get(name, ())
        elif isinstance(node, ast.Attribute):
            yield from self._own.attributes.get(node.attr, ())
            for module, name in self._elsewhere(root(node)):
                is_module = name is None or not (module.names.keys() | {""}) & {name}
                scopes = (module.attributes, module.names) if is_module else (module.attributes,)
                for scope in scopes:
                    yield from scope.get(node.attr, ())

    def _elsewhere(self, called: str) -> Iterator[tuple[Bindings, str | None]]:
        """Yield the modules that a name has been imported from, or that it is."""
        module, name = self._own.imported.get(called, ("", None))
        for each in self._modules.get(module, ()):
            yield each, name
        for each in self._modules.get(name or "", ()):
            yield each, None


def called(function: ast.expr) -> str:
    """Return the last name of what is called, empty where it has none."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def root(node: ast.expr) -> str:
    """Return the name that an attribute is one of, or a name itself; empty where it is neither."""
    value = node.value if isinstance(node, ast.Attribute) else node
    return value.id if isinstance(value, ast.Name) else ""


def _reached(node: ast.AST, nexts: Callable[[ast.AST], Iterable[ast.AST]]) -> Iterator[ast.AST]:
    """Yield a node and all that follow from it, once each."""
    seen: set[int] = set()
    left = [node]
    while left:
        each = left.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            left += nexts(each)


def _defaults(given: ast.arguments) -> Iterator[tuple[ast.arg, ast.expr]]:
    positional = zip(
        reversed([*given.posonlyargs, *given.args]), reversed(given.defaults), strict=False
    )
    for argument, default in (*positional, *zip(given.kwonlyargs, given.kw_defaults, strict=True)):
        if default is not None:
            yield argument, default


def _given_back(node: ast.Call) -> Iterator[ast.expr]:
    """Yield the parts of a call that it may return."""
    name = called(node.func)
    yield from node.args[1:2] if name in _DEFAULTS else ()
    yield from node.args[2:3] if name == "getattr" else ()
    yield from node.args[:1] if name in _SAME else ()
    yield from (keyword.value for keyword in node.keywords if keyword.arg == "default")
    if isinstance(node.func, ast.Attribute) and name in _OF_ITSELF:
        yield node.func.value


def _dict(members: Mapping[Any, ast.expr], at: ast.expr) -> ast.Dict:
    """Return a dict as if it were written somewhere."""
    return ast.copy_location(ast.Dict(list(members), list(members.values())), at)


def _dict_of(node: ast.Call) -> ast.Dict:
    """Return the keywords of a call as a dict."""
    named = {ast.Constant(each.arg): each.value for each in node.keywords if each.arg}
    return _dict(named, node)


def as_dict(node: ast.AST) -> list[ast.Dict]:
    """Return the dict that an expression makes, if it makes one."""
    if isinstance(node, ast.DictComp):
        return [_dict({node.key: node.value}, node)]
    if isinstance(node, ast.Call) and called(node.func) == "dict":
        return [_dict_of(node), *(_dict(dict([pair]), node) for pair in _pairs(node))]
    return [node] if isinstance(node, ast.Dict) else []


def _pairs(node: ast.Call) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield the pairs that a dict is made of."""
    for given in node.args[:1]:
        made = [getattr(given, "elt", None), *getattr(given, "elts", ())]
        for each in made:
            if isinstance(each, ast.Tuple | ast.List) and len(each.elts) == 2:
                yield each.elts[0], each.elts[1]


def _taken_over(node: ast.AST) -> list[ast.expr]:
    """Return what a dict takes its members from."""
    if isinstance(node, ast.Dict):
        return [value for key, value in zip(node.keys, node.values, strict=True) if key is None]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return [node.left, node.right]
    if isinstance(node, ast.Call) and called(node.func) == "dict":
        return [each.value for each in node.keywords if each.arg is None]
    return []


def _spread(node: ast.AST) -> list[ast.expr]:
    """Return what a list takes its members from."""
    if isinstance(node, ast.List | ast.Tuple):
        return [each.value for each in node.elts if isinstance(each, ast.Starred)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [node.left, node.right]
    return []


def _made(node: ast.AST) -> _Made | None:
    """Return how a text is made, and of what; None where it is not."""
    parts: list[ast.expr] | None = None
    match node:
        case ast.JoinedStr():
            parts = node.values
        case ast.BinOp(op=ast.Add()):
            parts = _summands(node)
        case ast.BinOp(op=ast.Mod()):
            parts = _filled(node.left, node.right)
        case ast.Call(func=ast.Attribute(attr="format", value=ast.Constant(value=str(form)))):
            parts = _formatted(form, node)
        case ast.Call(func=ast.Attribute(attr=name, value=text), keywords=[]) if name in _OF_TEXT:
            return getattr(str, name), [text, *node.args]
    return None if parts is None else (_together, parts)


def _together(*parts: str) -> str:
    return "".join(parts)


def _summands(node: ast.expr) -> list[ast.expr]:
    found = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        found.append(node.right)
        node = node.left
    return [node, *reversed(found)]


def _filled(form: ast.expr, given: ast.expr) -> list[ast.expr] | None:
    """Return the parts of a text whose places are filled in their order."""
    text = form.value if isinstance(form, ast.Constant) else None
    filling = given.elts if isinstance(given, ast.Tuple) else [given]
    if not isinstance(text, str) or len(pieces := text.split("%s")) != len(filling) + 1:
        return None
    if any("%" in piece for piece in pieces):
        return None
    between = zip_longest(map(ast.Constant, pieces), filling)
    return [part for pair in between for part in pair if part is not None]


def _formatted(form: str, node: ast.Call) -> list[ast.expr] | None:
    """Return the parts of a text whose places have names, numbers, or an order."""
    given: dict[str, ast.expr] = {str(n): each for n, each in enumerate(node.args)}
    given |= {each.arg: each.value for each in node.keywords if each.arg is not None}
    order = map(str, count())
    parts: list[ast.expr] = []
    try:
        for piece, name, spec, conversion in Formatter().parse(form):
            parts.append(ast.Constant(piece))
            if name is not None:
                parts.append(given[name or next(order)])
            if spec or conversion:
                return None
    except (KeyError, ValueError):
        return None
    return parts
