"""The texts that a name in Python source may stand for, as far as that is written down.

The rule: every value that a name is bound to anywhere in its module is taken for possible, and so
is every one of a module that it is imported from, if that is looked at, too. Nothing is run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from itertools import islice, product
from typing import TypeAlias

_DEFAULTS = ("get", "getenv", "pop", "setdefault")
"""Calls whose second argument is what they return where there is nothing."""
_MOST_TEXTS = 50
_DEEPEST = 8

_Scope: TypeAlias = dict[str, list[ast.expr]]


class Bindings(ast.NodeVisitor):
    """What the names and attributes of a module may be bound to, wherever that is in it."""

    def __init__(self, tree: ast.Module) -> None:
        self.names: _Scope = {}
        self.attributes: _Scope = {}
        self.imported: dict[str, tuple[str, str | None]] = {}
        """A name here -> the module that it is, or that has it under which name."""
        self._in_class = False
        self.visit(tree)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._bind(target, node.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._bind(node.target, node.value)
        self.generic_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self._bind(node.target, node.value)
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        for each in getattr(node.iter, "elts", ()):
            self._bind(node.target, each)
        self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        outside, self._in_class = self._in_class, True
        self.generic_visit(node)
        self._in_class = outside

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        positional = [*node.args.posonlyargs, *node.args.args]
        defaults = zip(reversed(positional), reversed(node.args.defaults), strict=False)
        named = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        for argument, default in (*defaults, *named):
            if default is not None:
                self.names.setdefault(argument.arg, []).append(default)
        outside, self._in_class = self._in_class, False
        self.generic_visit(node)
        self._in_class = outside

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - the name is Python's

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            called = alias.asname or alias.name.partition(".")[0]
            self.imported[called] = (alias.name.rpartition(".")[2], None)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = (node.module or "").rpartition(".")[2]
        for alias in node.names:
            self.imported[alias.asname or alias.name] = (module, alias.name)

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
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

    def of(self, node: ast.expr | None) -> set[str]:
        """Return them; none where nothing is known."""
        return self._of(node, 0)

    def dicts(self, node: ast.expr) -> Iterator[ast.Dict]:
        """Yield the dicts that an expression may be."""
        for each in (node, *self.bound(node)):
            if isinstance(each, ast.Dict):
                yield each

    def _of(self, node: ast.expr | None, depth: int) -> set[str]:
        if node is None or depth > _DEEPEST:
            return set()
        if isinstance(node, ast.Constant):
            return {node.value} if isinstance(node.value, str) else set()
        parts = self._parts(node)
        if parts is not None:
            several = product(*(self._of(part, depth + 1) for part in parts))
            return {"".join(each) for each in islice(several, _MOST_TEXTS)}
        return {text for each in self._choices(node) for text in self._of(each, depth + 1)}

    @staticmethod
    def _parts(node: ast.expr) -> list[ast.expr] | None:
        """Return what a text is put together of, None where it is not."""
        if isinstance(node, ast.JoinedStr):
            return node.values
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return [node.left, node.right]
        return None

    def _choices(self, node: ast.expr) -> Iterator[ast.expr]:
        """Yield the expressions that one may be equal to."""
        if isinstance(node, ast.FormattedValue | ast.Await | ast.NamedExpr):
            yield node.value
        elif isinstance(node, ast.IfExp):
            yield from (node.body, node.orelse)
        elif isinstance(node, ast.BoolOp):
            yield from node.values
        elif isinstance(node, ast.Call):
            if called(node.func) in _DEFAULTS:
                yield from node.args[1:2]
                yield from (k.value for k in node.keywords if k.arg == "default")
            elif called(node.func) == "str":
                yield from node.args[:1]
        else:
            yield from self.bound(node)

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
            root = node.value.id if isinstance(node.value, ast.Name) else ""
            for module, name in self._elsewhere(root):
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
