"""Python source that goes past the repository to the old table, found before it runs.

The rule: what is said here is read out of the text (`ast`), so it is about what is written down. A
name that is put together at run time, read from the environment or handed in from elsewhere is not
seen, and neither is what another language does.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import attrs

from dualtable.errors import InvalidSettingError

_MAKES = ("Table",)
_ITEM_CALLS = frozenset(
    {
        "batch_get_item",
        "batch_write_item",
        "delete_item",
        "get_item",
        "paginate",
        "put_item",
        "query",
        "scan",
        "transact_get_items",
        "transact_write_items",
        "update_item",
    }
)
_STATEMENTS = frozenset({"execute_statement", "batch_execute_statement", "execute_transaction"})
NOT_TAKEN = frozenset(
    {
        "AttributesToGet",
        "AttributeUpdates",
        "ConditionalOperator",
        "Expected",
        "KeyConditions",
        "QueryFilter",
        "ReturnConsumedCapacity",
        "ReturnItemCollectionMetrics",
        "ScanFilter",
    }
)
"""Parameters that the drop-in does not take; it refuses them by name too."""
_SKIPPED = frozenset({".git", ".nox", ".tox", ".venv", "__pycache__", "node_modules", "venv"})


@attrs.frozen(order=True)
class Use:
    """One place in the source, and what is wrong with it.

    Attributes:
        path: Of the file.
        line: Its line, from 1 on.
        what: What goes past the repository there.
    """

    path: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


@attrs.frozen
class CodeReport:
    """What was looked at, for which tables, and what was found.

    Attributes:
        files: How many files were read.
        old_tables: The old tables that were looked for.
        uses: Each place that was found.
    """

    files: int
    old_tables: list[str]
    uses: list[Use]


def check_code(paths: Iterable[str], tables: Collection[str] = ()) -> CodeReport:
    """Look for uses of old tables in files and folders.

    `tables` are the names of the old tables; those that a ``Migration(…)`` in the source has as its
    old one are known by that.

    Raises:
        InvalidSettingError: A path does not exist, a file is no Python source, or no old table is
            known.
    """
    trees = {path: _parsed(path) for path in _sources(paths)}
    known = {*tables, *(name for tree in trees.values() for name in _old_tables(tree))}
    if not known:
        raise InvalidSettingError(
            "no migration is made in this source, so name the old table: --table orders"
        )
    uses = [use for path, tree in trees.items() for use in _uses_in(path, tree, frozenset(known))]
    return CodeReport(len(trees), sorted(known), sorted(uses))


def _old_tables(tree: ast.Module) -> Iterator[str]:
    """Yield the old table of each migration that is made here."""
    constants = _constants(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node.func) == "Migration":
            named = [keyword.value for keyword in node.keywords if keyword.arg == "old"]
            for each in (*node.args[1:2], *named):
                if name := _text(each, constants):
                    yield name


def _sources(paths: Iterable[str]) -> Iterator[Path]:
    for each in map(Path, paths):
        if not each.exists():
            raise InvalidSettingError(f"{each} does not exist; give files or folders")
        found = [each] if each.is_file() else sorted(each.rglob("*.py"))
        yield from (path for path in found if not _SKIPPED & set(path.relative_to(each).parts))


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes(), str(path))
    except (SyntaxError, ValueError) as error:
        raise InvalidSettingError(f"{path} is no Python source that could be read") from error


def _uses_in(path: Path, tree: ast.Module, tables: frozenset[str]) -> Iterator[Use]:
    finder = _Finder(tables, _constants(tree))
    finder.visit(tree)
    return (Use(str(path), line, what) for line, what in set(finder.found))


def _constants(tree: ast.Module) -> dict[str, str]:
    """Return the texts that names of the module, or of a class in it, stand for."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        is_one = isinstance(node, ast.Assign) and len(node.targets) == 1
        targets = node.targets if isinstance(node, ast.Assign) and is_one else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            value = getattr(node, "value", None)
            name = target.id if isinstance(target, ast.Name) else getattr(target, "attr", "")
            if isinstance(value, ast.Constant) and isinstance(value.value, str) and name:
                found[name] = value.value
    return found


class _Finder(ast.NodeVisitor):
    """Looks at calls."""

    def __init__(self, tables: frozenset[str], constants: dict[str, str]) -> None:
        self.found: list[tuple[int, str]] = []
        self._tables = tables
        self._constants = constants

    def visit_Call(self, node: ast.Call) -> None:
        called = _called(node.func)
        if called in _MAKES:
            self._check_table(node)
        elif called in _ITEM_CALLS:
            self._check_operation(node, called)
        elif called in _STATEMENTS:
            self._check_statement(node, called)
        self.generic_visit(node)

    def _check_table(self, node: ast.Call) -> None:
        """Find ``Table("orders")`` of a resource, which is not that of a migration."""
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        if len(given) == 1:  # else it is another library's
            name = self._text(given[0])
            if name in self._tables:
                self._add(node, f"Table({name!r}) goes past the repository; make a drop_in.Table")

    def _check_operation(self, node: ast.Call, called: str) -> None:
        for keyword in node.keywords:
            name = self._text(keyword.value)
            if keyword.arg == "TableName" and name in self._tables:
                self._add(node, f"{called} on {name!r} goes past the repository")
            elif keyword.arg in ("RequestItems", "TransactItems"):
                self._check_inside(keyword.value, called)
            elif keyword.arg in NOT_TAKEN and name != "NONE":
                self._add(keyword.value, f"{called}: the drop-in does not take {keyword.arg}")
            elif keyword.arg is None and isinstance(keyword.value, ast.Dict):
                self._check_spread(keyword.value, called)

    def _check_spread(self, given: ast.Dict, called: str) -> None:
        for key, value in zip(given.keys, given.values, strict=True):
            name = key and self._text(key)
            if name == "TableName" and self._text(value) in self._tables:
                self._add(value, f"{called} on {self._text(value)!r} goes past the repository")
            elif name in NOT_TAKEN and self._text(value) != "NONE":
                self._add(value, f"{called}: the drop-in does not take {name}")

    def _check_inside(self, given: ast.expr, called: str) -> None:
        """Find the table in a batch or a transaction."""
        for node in ast.walk(given):
            pairs = zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) else ()
            for key, value in pairs:
                name = key and self._text(key)
                if name == "TableName":
                    name = self._text(value)
                if name in self._tables and key is not None:
                    self._add(key, f"{called} on {name!r} goes past the repository")

    def _check_statement(self, node: ast.Call, called: str) -> None:
        for each in ast.walk(node):
            text = self._text(each) if isinstance(each, ast.expr) else None
            if text and any(f'"{table}"' in text for table in self._tables):
                self._add(node, f"{called} goes past the repository, which knows no PartiQL")

    def _text(self, node: ast.expr) -> str | None:
        return _text(node, self._constants)

    def _add(self, node: ast.expr, what: str) -> None:
        self.found.append((node.lineno, what))


def _text(node: ast.expr, constants: Mapping[str, str]) -> str | None:
    """Return the text that an expression is, where that is written down."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", None)
    return constants.get(name) if isinstance(name, str) else None


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
