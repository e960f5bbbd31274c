"""Python source that goes past the repository to the old table, found before it runs.

The rule: what is said here is read out of the text (`ast`), so it is about what is written down: a
name that is a text, or is bound to one, put together of some, returned, or a default, in one of the
modules that are looked at. Where a name is read at run time or handed in from elsewhere, just that
is said; what another language does is not seen.
"""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import attrs

from dualtable._operations.code_texts import HOLE, Bindings, Texts, as_dict, called, root
from dualtable._wire.layouts import short_name
from dualtable.errors import InvalidSettingError

_MAKES = ("Table",)
_OF_CLIENTS = frozenset(
    {"batch_get_item", "batch_write_item", "transact_get_items", "transact_write_items"}
)
_OF_TABLES = frozenset({"delete_item", "get_item", "put_item", "query", "scan", "update_item"})
_ITEM_CALLS = _OF_CLIENTS | _OF_TABLES | {"paginate"}
_ACTIONS = frozenset({"ConditionCheck", "Delete", "Get", "Put", "Update"})
_STATEMENTS = frozenset({"execute_statement", "batch_execute_statement", "execute_transaction"})
_CALLS = _ITEM_CALLS | _STATEMENTS
_SEVERAL_STATEMENTS = ("Statements", "TransactStatements")
_NAME_TABLES = {"RequestItems", "Statement", "TableName", "TransactItems", *_SEVERAL_STATEMENTS}
_UNPROCESSED = frozenset({"UnprocessedItems", "UnprocessedKeys"})
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
_Named: TypeAlias = Iterator[tuple[ast.expr, ast.expr, str]]
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
        uses: Each place that was found; and each file that could not be read, as it may be one.
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
    old one are known by that. What cannot be read is among the uses, with the reason.

    Raises:
        InvalidSettingError: A path does not exist, or no old table is known.
    """
    unread: list[Use] = []
    trees = dict(_read(_sources(paths, unread), unread))
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
    found, unknown = unread, list[Use]()
    for path, tree in trees.items():
        finder = _Finder(known, texts[path])
        for node in ast.walk(tree):
            finder.visit(node)
        found += (Use(str(path), *each) for each in finder.found)
        unknown += (Use(str(path), *each) for each in finder.unknown)
    return CodeReport(len(trees), sorted(known), sorted(found), sorted(unknown))


def _old_tables(tree: ast.Module, texts: Texts) -> Iterator[str]:
    """Yield the old table of each migration that is made here."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called(node.func) == "Migration":
            named = [keyword.value for keyword in node.keywords if keyword.arg == "old"]
            for each in (*node.args[1:2], *named):
                yield from texts.of(each)


def _sources(paths: Iterable[str], unread: list[Use]) -> Iterator[Path]:
    """Yield the files; where a folder cannot be looked into, note that."""
    for each in paths:
        if not os.path.exists(each):
            raise InvalidSettingError(f"{each} does not exist; give files or folders")
        if not os.path.isdir(each):
            yield Path(each)
            continue
        for folder, folders, names in os.walk(
            each, onerror=lambda error: unread.append(_unread(Path(error.filename), error))
        ):
            folders[:] = sorted(set(folders) - _SKIPPED)
            yield from (Path(folder, name) for name in sorted(names) if name.endswith(".py"))


def _read(paths: Iterable[Path], unread: list[Use]) -> Iterator[tuple[Path, ast.Module]]:
    """Yield what each file holds; note those that cannot be read, and go on."""
    for path in paths:
        try:
            yield path, _parsed(path)
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
            unread.append(_unread(path, error))


def _parsed(path: Path) -> ast.Module:
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise OSError("it is no file")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Python thinks of somebody's escapes
        return ast.parse(path.read_bytes(), str(path))


def _unread(path: Path, error: Exception) -> Use:
    """Return what is said of what cannot be read, and may go past the repository."""
    if isinstance(error, OSError):
        why = error.strerror or str(error)
    elif isinstance(error, SyntaxError | ValueError):
        why = f"it is no Python source: {getattr(error, 'msg', error)}"
    else:
        why = "it is nested too deeply"
    return Use(str(path), getattr(error, "lineno", None) or 1, f"could not be read: {why}")


class _Finder(ast.NodeVisitor):
    """Looks at calls, at actions of transactions, and at models of other libraries."""

    def __init__(self, tables: frozenset[str], texts: Texts) -> None:
        self.found: set[tuple[int, str]] = set()
        self.unknown: set[tuple[int, str]] = set()
        self._tables = tables
        self._texts = texts

    def generic_visit(self, node: ast.AST) -> None:
        """Find nothing; whoever walks goes on by himself."""

    def visit_Call(self, node: ast.Call) -> None:
        for name in self._names_of(node):
            if name in _MAKES:
                self._check_table(node)
            elif name in _ITEM_CALLS:
                self._check_operation(node, name)
            elif name in _STATEMENTS:
                self._check_statements(node, name)
        self._check_actions(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for each in node.body if node.name == "Meta" else ():
            targets = getattr(each, "targets", None) or [getattr(each, "target", None)]
            value = getattr(each, "value", None)
            if value and any(getattr(target, "id", "") == "table_name" for target in targets):
                self._check_model(value)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            match target:
                case ast.Attribute(value=owner, attr="table_name") if called(owner) == "Meta":
                    self._check_model(node.value)

    def _names_of(self, node: ast.Call) -> set[str]:
        """Return what is called, also where it was put under another name, or is handed on."""
        methods, *handed_on = (
            {each.attr for each in self._texts.reached(at) if isinstance(each, ast.Attribute)}
            for at in (node.func, *node.args)
        )
        return {called(node.func), *methods, *(_CALLS.intersection(chain(*handed_on)))}

    def _check_model(self, named: ast.expr) -> None:
        for name in self._named(named):
            self._add(named, f"a model on {name!r} goes past the repository")
        self._note(named, named, "a model")

    def _check_table(self, node: ast.Call) -> None:
        """Find ``Table("orders")`` of a resource, which is not that of a migration."""
        given, function = _name_given(node), node.func
        is_another = isinstance(function, ast.Name) and self._texts.is_foreign(function.id)
        if given is None or is_another:  # boto3 has no ``Table`` to import
            return
        for name in self._named(given):
            self._add(node, f"Table({name!r}) goes past the repository; make a drop_in.Table")
        if not self._texts.is_foreign(root(function)):
            self._note(node, given, "Table(…)")

    def _check_operation(self, node: ast.Call, called: str) -> None:
        given = list(self._parameters(node))
        named = [each for parameter in given for each in self._tables_in(*parameter, called)]
        for at, table, by in named:
            self._check_name(at, table, by)
        tables = [table for _, table, _ in named] or list(self._tables_in_hand(node.func))
        if not tables or not all(self._texts.of(t) and not self._named(t) for t in tables):
            for at, name, value in given:
                if name in NOT_TAKEN and self._texts.of(value) != {"NONE"}:
                    self._add(at, f"{called}: the drop-in does not take {name}")
        self._check_handed_in(node, called, {name for _, name, _ in given})

    def _parameters(self, node: ast.Call) -> Iterator[tuple[ast.expr, str, ast.expr]]:
        """Yield where each parameter of a call is, its name, and what is given."""
        for keyword in node.keywords:
            if keyword.arg is not None:
                yield keyword.value, keyword.arg, keyword.value
            for given in self._texts.dicts(keyword.value) if keyword.arg is None else ():
                at = keyword.value if given is not keyword.value else None
                for name, value in self._members(given):
                    yield at or value, name, value

    def _members(self, given: ast.Dict) -> Iterator[tuple[str, ast.expr]]:
        for key, value in zip(given.keys, given.values, strict=True):
            yield from ((name, value) for name in self._texts.of(key))

    def _check_handed_in(self, node: ast.Call, called_: str, known: set[str]) -> None:
        """Note a client's parameters of which nobody knows which table they name."""
        owner = node.func.value if isinstance(node.func, ast.Attribute) else node.func
        is_client = called_ in _OF_CLIENTS or "client" in called(owner).lower()
        for keyword in node.keywords if is_client and not known & _NAME_TABLES else ():
            if keyword.arg is None and not any(self._texts.dicts(keyword.value)):
                self._unknown(keyword.value, called_)

    def _tables_in(self, at: ast.expr, name: str, value: ast.expr, called: str) -> _Named:
        """Yield where a parameter names a table, by what, and for which call or action."""
        if name == "TableName":
            yield at, value, called
        elif name == "RequestItems":
            yield from self._tables_of_batch(value, called)
        elif name == "TransactItems":
            for member in self._texts.members(value) or [value]:
                actions = self._texts.dicts(member)
                found = [each for action in actions for each in self._tables_of_actions(action)]
                yield from found
                if not found:
                    self._unknown(member, called)

    def _tables_of_batch(self, given: ast.expr, called: str) -> _Named:
        found = list(self._texts.dicts(given))
        for each in found:
            for key, value in zip(each.keys, each.values, strict=True):
                if key is not None:
                    yield value, key, called
                elif not any(self._texts.dicts(value)):
                    self._unknown(value, called)
        if not any(each.keys for each in found) and not self._is_left_of_batch(given):
            self._unknown(given, called)

    def _is_left_of_batch(self, given: ast.expr) -> bool:
        """Tell whether it comes back from a batch; where that was made, it has been looked at."""
        reached = self._texts.reached(given)
        asked = (m for e in reached for m in (e.args if isinstance(e, ast.Call) else [e]))
        said = (getattr(getattr(each, "slice", each), "value", None) for each in asked)
        return any(isinstance(each, str) and each in _UNPROCESSED for each in said)

    def _tables_of_actions(self, given: ast.Dict) -> _Named:
        for name, action in self._members(given):
            for fields in self._texts.dicts(action) if name in _ACTIONS else ():
                for field, value in self._members(fields):
                    if field == "TableName":
                        yield value, value, f"{name} of a transaction"

    def _tables_in_hand(self, function: ast.expr) -> Iterator[ast.expr]:
        """Yield what names the tables that a method may be one of."""
        owner = function.value if isinstance(function, ast.Attribute) else function
        for each in self._texts.reached(owner):
            if isinstance(each, ast.Call) and called(each.func) in _MAKES:
                yield _name_given(each) or each

    def _check_actions(self, node: ast.expr) -> None:
        """Find an action of a transaction, wherever it is made and whoever sends it."""
        for each in as_dict(node):
            for named in self._tables_of_actions(each):
                self._check_name(*named)

    visit_Dict = visit_DictComp = _check_actions  # noqa: N815 - the names are Python's

    def _check_name(self, at: ast.expr, given: ast.expr, called: str) -> None:
        for table in self._named(given):
            self._add(at, f"{called} on {table!r} goes past the repository")
        self._note(at, given, called)

    def _check_statements(self, node: ast.Call, called: str) -> None:
        every = (each for each in ast.walk(node) if isinstance(each, ast.expr))
        texts = {form for each in every for form in self._texts.forms(each)}
        if any(_is_about(table, text) for table in self._tables for text in texts):
            self._add(node, f"{called} goes past the repository, which knows no PartiQL")
            return
        given = list(self._parameters(node))
        for _, name, value in given:
            several = self._statements(value) if name in _SEVERAL_STATEMENTS else ()
            for statement in [value] if name == "Statement" else several:
                if not all(map(_names_table, self._texts.forms(statement))):
                    self._unknown(statement, called)
        self._check_handed_in(node, called, {name for _, name, _ in given})

    def _statements(self, given: ast.expr) -> Iterator[ast.expr]:
        """Yield the statements in a list; what is none there, as far as is known, as it is."""
        for member in self._texts.members(given) or [given]:
            fields = [f for each in self._texts.dicts(member) for f in self._members(each)]
            yield from [text for name, text in fields if name == "Statement"] or [member]

    def _named(self, node: ast.expr | None) -> list[str]:
        """Return the old tables that an expression may name, also by an ARN."""
        return sorted(self._tables & {short_name(text) for text in self._texts.of(node)})

    def _note(self, at: ast.expr, named: ast.expr, called: str) -> None:
        """Note a table whose name nothing in the source tells; that of a table in hand is told."""
        if not _is_of_table_in_hand(named) and not self._texts.of(named):
            self._unknown(at, called)

    def _unknown(self, at: ast.AST, called: str) -> None:
        line = getattr(at, "lineno", 0)
        self.unknown.add((line, f"{called} on a table whose name is not written down"))

    def _add(self, node: ast.AST | None, what: str) -> None:
        self.found.add((getattr(node, "lineno", 0), what))


def _name_given(node: ast.Call) -> ast.expr | None:
    """Return what names the table that ``Table(…)`` makes; None where it is another ``Table``."""
    given = [*node.args, *(each.value for each in node.keywords if each.arg == "name")]
    return given[0] if len(node.args) + len(node.keywords) == 1 and given else None


def _is_of_table_in_hand(node: ast.expr) -> bool:
    """Tell whether it is ``table.name``; where that table was made, its name has been looked at."""
    is_name = isinstance(node, ast.Attribute) and node.attr in ("name", "table_name")
    return is_name and root(node) != "self"


def _is_about(table: str, statement: str) -> bool:
    """Tell whether a PartiQL statement is about a table."""
    named = rf"""(FROM|INTO|UPDATE)\s+["']?{re.escape(table)}["'\s.]"""
    return re.search(named, f"{statement} ", re.IGNORECASE) is not None


def _names_table(form: str) -> bool:
    """Tell whether the table of a PartiQL statement is written down."""
    found = re.search(r"""(FROM|INTO|UPDATE)\s+["']?([^"'\s.]+)""", form, re.IGNORECASE)
    return HOLE not in (form if found is None else found[2])
