"""Python source that goes past the repository to the old table, found before it runs.

The rule: what is said here is read out of the text (`ast`), so it is about what is written down: a
name that is a text, or is bound to one, put together of some, returned, or a default, in one of the
modules that are looked at. Where a name is read at run time or handed in from elsewhere, just that
is said; what another language does is not seen.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs

from dualtable._operations.code_texts import Bindings, Texts, called, root
from dualtable._wire.layouts import short_name
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
_ACTIONS = frozenset({"ConditionCheck", "Delete", "Get", "Put", "Update"})
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
        unknown: Each place that reaches a table whose name is not written down, so that it may be
            an old one or not.
    """

    files: int
    old_tables: list[str]
    uses: list[Use]
    unknown: list[Use]


def check_code(paths: Iterable[str], tables: Collection[str] = ()) -> CodeReport:
    """Look for uses of old tables in files and folders.

    `tables` are the names of the old tables; those that a ``Migration(…)`` in the source has as its
    old one are known by that.

    Raises:
        InvalidSettingError: A path does not exist, a file is no Python source, or no old table is
            known.
    """
    trees = {path: _parsed(path) for path in _sources(paths)}
    bindings = {path: Bindings(tree) for path, tree in trees.items()}
    modules: dict[str, list[Bindings]] = {}
    for path, bound in bindings.items():
        name = path.parent.name if path.stem == "__init__" else path.stem
        modules.setdefault(name, []).append(bound)
    texts = {path: Texts(bound, modules) for path, bound in bindings.items()}
    old = (name for path, tree in trees.items() for name in _old_tables(tree, texts[path]))
    known = frozenset(map(short_name, {*tables, *old}))
    if not known:
        raise InvalidSettingError(
            "no migration is made in this source, so name the old table: --table orders"
        )
    finders = {path: _Finder(known, texts[path]) for path in trees}
    for path, tree in trees.items():
        finders[path].visit(tree)
    return CodeReport(
        len(trees),
        sorted(known),
        sorted(Use(str(p), *each) for p, finder in finders.items() for each in finder.found),
        sorted(Use(str(p), *each) for p, finder in finders.items() for each in finder.unknown),
    )


def _old_tables(tree: ast.Module, texts: Texts) -> Iterator[str]:
    """Yield the old table of each migration that is made here."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called(node.func) == "Migration":
            named = [keyword.value for keyword in node.keywords if keyword.arg == "old"]
            for each in (*node.args[1:2], *named):
                yield from texts.of(each)


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


class _Finder(ast.NodeVisitor):
    """Looks at calls, and at models of other libraries."""

    def __init__(self, tables: frozenset[str], texts: Texts) -> None:
        self.found: set[tuple[int, str]] = set()
        self.unknown: set[tuple[int, str]] = set()
        self._tables = tables
        self._texts = texts

    def visit_Call(self, node: ast.Call) -> None:
        for name in self._names_of(node):
            if name in _MAKES:
                self._check_table(node)
            elif name in _ITEM_CALLS:
                self._check_operation(node, name)
            elif name in _STATEMENTS:
                self._check_statement(node, name)
        self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> None:
        """Find an action of a transaction, wherever it is made and whoever sends it."""
        for kind, each in zip(node.keys, node.values, strict=True):
            for name in self._texts.of(kind) & _ACTIONS:
                for given in self._texts.dicts(each):
                    self._check_action(name, given)
        self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for each in node.body if node.name == "Meta" else ():
            is_bound = isinstance(each, ast.Assign | ast.AnnAssign)
            targets = getattr(each, "targets", None) or [getattr(each, "target", None)]
            if is_bound and any(getattr(target, "id", "") == "table_name" for target in targets):
                self._check_model(each)
        self.generic_visit(node)

    def _names_of(self, node: ast.Call) -> set[str]:
        """Return what is called, also where it was put under another name, or is handed on."""
        function = node.func
        aliases = self._texts.bound(function) if isinstance(function, ast.Name) else ()
        methods = {each.attr for each in aliases if isinstance(each, ast.Attribute)}
        handed_on = {each.attr for each in node.args if isinstance(each, ast.Attribute)}
        return {called(function), *methods, *(handed_on & _ITEM_CALLS)}

    def _check_model(self, node: Any) -> None:
        for name in self._named(node.value):
            self._add(node, f"a model on {name!r} goes past the repository")

    def _check_table(self, node: ast.Call) -> None:
        """Find ``Table("orders")`` of a resource, which is not that of a migration."""
        given = [*node.args, *(each.value for each in node.keywords if each.arg == "name")]
        if len(node.args) + len(node.keywords) != 1 or self._is_of_another(node.func):
            return
        for name in self._named(given[0]) if given else ():
            self._add(node, f"Table({name!r}) goes past the repository; make a drop_in.Table")
        if given and not self._texts.is_foreign(root(node.func)):
            self._note(node, given[0], "Table(…)")

    def _is_of_another(self, function: ast.expr) -> bool:
        """Tell whether it is another library's; boto3 has no ``Table`` to import."""
        return isinstance(function, ast.Name) and self._texts.is_foreign(function.id)

    def _check_operation(self, node: ast.Call, called: str) -> None:
        for keyword in node.keywords:
            if keyword.arg is not None:
                self._check_parameter(keyword.value, called, keyword.arg, keyword.value)
            for given in self._texts.dicts(keyword.value) if keyword.arg is None else ():
                at = keyword.value if given is not keyword.value else None
                for key, value in zip(given.keys, given.values, strict=True):
                    for name in self._texts.of(key):
                        self._check_parameter(at or value, called, name, value)

    def _check_action(self, name: str, given: ast.Dict) -> None:
        for key, value in zip(given.keys, given.values, strict=True):
            if "TableName" in self._texts.of(key):
                self._check_parameter(value, f"{name} of a transaction", "TableName", value)

    def _check_parameter(self, at: ast.expr, called: str, name: str, value: ast.expr) -> None:
        if name == "TableName":
            for table in self._named(value):
                self._add(at, f"{called} on {table!r} goes past the repository")
            self._note(at, value, called)
        elif name == "RequestItems":
            self._check_batch(value, called)
        elif name in NOT_TAKEN and self._texts.of(value) != {"NONE"}:
            self._add(at, f"{called}: the drop-in does not take {name}")

    def _check_batch(self, given: ast.expr, called: str) -> None:
        for each in self._texts.dicts(given):
            for key, value in zip(each.keys, each.values, strict=True):
                for name in self._named(key):
                    self._add(value, f"{called} on {name!r} goes past the repository")

    def _check_statement(self, node: ast.Call, called: str) -> None:
        for each in ast.walk(node):
            texts = self._texts.of(each) if isinstance(each, ast.expr) else set()
            if any(_is_about(table, text) for table in self._tables for text in texts):
                self._add(node, f"{called} goes past the repository, which knows no PartiQL")

    def _named(self, node: ast.expr | None) -> list[str]:
        """Return the old tables that an expression may name, also by an ARN."""
        return sorted(self._tables & {short_name(text) for text in self._texts.of(node)})

    def _note(self, at: ast.expr, named: ast.expr, called: str) -> None:
        """Note a table whose name nothing in the source tells; that of a table in hand is told."""
        if not _is_of_table_in_hand(named) and not self._texts.of(named):
            self.unknown.add((at.lineno, f"{called} on a table whose name is not written down"))

    def _add(self, node: ast.AST, what: str) -> None:
        self.found.add((getattr(node, "lineno", 0), what))


def _is_of_table_in_hand(node: ast.expr) -> bool:
    """Tell whether it is ``table.name``; where that table was made, its name has been looked at."""
    is_name = isinstance(node, ast.Attribute) and node.attr in ("name", "table_name")
    return is_name and root(node) != "self"


def _is_about(table: str, statement: str) -> bool:
    """Tell whether a PartiQL statement is about a table."""
    found = re.search(
        rf"""(FROM|INTO|UPDATE)\s+["']?{re.escape(table)}["'\s.]""", f"{statement} ", re.IGNORECASE
    )
    return found is not None
