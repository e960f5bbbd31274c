"""What callers of a repository hand in, checked and in wire form, and what they get back.

The rule: whatever is wrong with a key, an item or an expression is found here, by name, before
anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeGuard, TypeVar, cast

import attrs

from dualtable._dynamodb.gateway import (
    TransactAction,
    TransactCheck,
    TransactDelete,
    TransactGet,
    TransactPut,
    TransactUpdate,
)
from dualtable._expressions import key_conditions, texts
from dualtable._expressions.actions import (
    Action,
    ConditionCheck,
    Delete,
    Get,
    Projected,
    Put,
    Update,
)
from dualtable._expressions.boto3_conditions import (
    ConditionBase,
    condition_of,
    filter_of,
    key_condition_of,
)
from dualtable._expressions.grammar import Placeholders, check_values
from dualtable._expressions.key_conditions import KeyCondition
from dualtable._expressions.parser import parse_projection
from dualtable._expressions.projections import Projection, projection_of
from dualtable._expressions.requests import (
    Changes,
    CheckStep,
    DeleteStep,
    Judged,
    PutStep,
    Step,
    UpdateStep,
    judged,
)
from dualtable._expressions.requests import (
    changes as parsed_changes,
)
from dualtable._reading.indexes import check_projects
from dualtable._transforms.models import PLAIN, Form, Model
from dualtable._wire import codec
from dualtable._wire.items import check_item
from dualtable._wire.keys import check_key, key_of, plain
from dualtable._wire.layouts import Index, KeySchema, Layout
from dualtable._wire.marks import Marks, new_token
from dualtable._wire.types import Key, WireItem, WireKey
from dualtable.errors import (
    InvalidItemError,
    InvalidSettingError,
    RequestRefusedError,
    UnknownIndexError,
)

_T = TypeVar("_T")


@attrs.frozen
class Exchange(Generic[Model]):
    """The exchange with the callers of one repository: its new table, marks, and form of items.

    `names` are all that the migrated table is called by.
    """

    new: Layout
    marks: Marks
    form: Form[Any]
    names: Container[str] = ()

    @property
    def shows_any_item(self) -> bool:
        """Whether there is no item that a caller cannot be shown, as one that misfits a model."""
        return self.form is PLAIN

    def key(self, key: Key) -> WireKey:
        """Return a key in wire form.

        Raises:
            InvalidKeyError: It does not fit the new table.
        """
        return check_key(key, self.new.key, self.new.table)

    def stamped(self, item: Model) -> tuple[WireKey, WireItem]:
        """Return the key and the wire form of an item with a fresh token.

        Raises:
            InvalidItemError: DynamoDB would refuse it, or it does not fit the model.
            InvalidKeyError: Its key does not fit the new table, or an index.
        """
        values = self.form.dump(item)
        self.marks.check_free(values)
        stamped = self.marks.stamp(codec.encode(values), new_token())
        return check_item(stamped, self.new), stamped

    def loaded(self, item: WireItem | None) -> Model | None:
        """Return what a caller sees of what is under a key, which may be a tombstone."""
        return None if item is None or self.marks.is_tombstone(item) else self.load(item)

    def load(self, item: WireItem) -> Model:
        """Return what a caller sees of an item.

        Raises:
            InvalidItemError: It does not fit the model.
        """
        return self.show(self.marks.strip(item))

    def show(self, item: WireItem) -> Model:
        """Return what a caller sees of an item that is without the library's attributes.

        Raises:
            InvalidItemError: It does not fit the model.
        """
        try:
            return cast("Model", self.form.load(codec.decode(item)))
        except InvalidItemError as error:
            error.key = plain(key_of(item, self.new.key, self.new.table))
            raise

    def placeholders(
        self, names: Mapping[str, str] | None, values: Mapping[str, Any] | None
    ) -> Placeholders:
        """Return the names and plain values that the expressions of one question share."""
        return _placeholders(names, values, self.new.key_attributes)

    def step(self, action: Action) -> Step | TransactAction:
        """Return an action of a transaction as a step, one of another table as it is sent.

        Raises:
            RequestRefusedError: It is none.
        """
        if not isinstance(action, Put | Update | Delete | ConditionCheck):
            raise RequestRefusedError(
                f"{type(action).__name__} is no action; write a Put, Update, Delete or"
                " ConditionCheck"
            )
        if self.is_elsewhere(action.table):
            return self._elsewhere(action, action.table)
        if isinstance(action, Put):
            return self.put_step(action)
        if isinstance(action, Update):
            return self.update_step(action)
        if isinstance(action, Delete):
            return self.delete_step(action)
        condition = self._judged(action, self.new.key_attributes)
        if condition is None:
            raise _unconditional()
        return CheckStep(self.key(action.key), condition)

    def is_elsewhere(self, table: str | None) -> TypeGuard[str]:
        """Tell whether a table is another one than the migrated.

        Raises:
            RequestRefusedError: It is no name of a table.
        """
        if table is not None and not isinstance(table, str):
            raise RequestRefusedError(f"table must be a name, not of type {type(table).__name__}")
        return table is not None and table not in self.names

    def _elsewhere(self, action: Action, table: str) -> TransactAction:
        if isinstance(action, Update):
            changed, judgement = self.changes(action, (), ())
            condition = None if judgement is None else judgement.sent
            return TransactUpdate(table, codec.encode(action.key), changed.sent, condition)
        judgement = self._judged(action, ())
        condition = None if judgement is None else judgement.sent
        if isinstance(action, Put):
            return TransactPut(table, codec.encode(action.item), condition)
        if isinstance(action, Delete):
            return TransactDelete(table, codec.encode(action.key), condition)
        if condition is None:
            raise _unconditional()
        return TransactCheck(table, codec.encode(action.key), condition)

    def put_step(self, action: Put) -> PutStep:
        key, stamped = self.stamped(action.item)
        return PutStep(key, self._judged(action, self.new.key_attributes), stamped)

    def update_step(self, action: Update) -> UpdateStep:
        changed, condition = self.changes(action, self.new.key.names, self.new.key_attributes)
        return UpdateStep(self.key(action.key), condition, changed)

    def changes(
        self, action: Update, kept: Collection[str], keys: Collection[str]
    ) -> tuple[Changes, Judged | None]:
        """Return what an update asks, checked; it may write to nothing that is kept.

        Raises:
            RequestRefusedError: An expression is malformed, or goes into one of the keys.
        """
        if action.expression is not None and not action.expression:
            raise RequestRefusedError("the update expression is empty; None updates nothing")
        check_values(action.values)
        sent = texts.Update(action.expression or "", action.names, codec.encode(action.values))
        given = action.condition
        text = given if isinstance(given, str) else None
        changed, condition = parsed_changes(sent, text, self.marks, kept, keys)
        if text is None and (built := condition_of(given, {}, {})) is not None:
            condition = judged(built, self.marks, keys)
        return changed, condition

    def delete_step(self, action: Delete) -> DeleteStep:
        return DeleteStep(self.key(action.key), self._judged(action, self.new.key_attributes))

    def _judged(
        self, action: Put | Delete | ConditionCheck, keys: Collection[str]
    ) -> Judged | None:
        condition = condition_of(action.condition, action.names, action.values)
        return None if condition is None else judged(condition, self.marks, keys)

    def wanted(self, get: Get) -> tuple[WireKey | TransactGet, Callable[[WireItem | None], Any]]:
        """Return where one of several reads goes, and what makes of an item what is wanted of it.

        Raises:
            InvalidKeyError: The key does not fit the new table.
            RequestRefusedError: The projection is malformed.
        """
        if not self.is_elsewhere(get.table):
            return self.key(get.key), self.shown(get.projection, get.names)
        given = _placeholders(get.names, None, ())
        wanted = None if get.projection is None else _parsed(get.projection, given)
        given.check_all_used()
        cut = (lambda item: item) if wanted is None else wanted.apply
        asked = TransactGet(get.table, codec.encode(get.key))
        return asked, lambda item: None if item is None else codec.decode(cut(item))

    def index(
        self, name: str | None, declared: Sequence[Index], *, consistent_read: bool
    ) -> Index | None:
        """Return an index as it is, with what is declared of how to complete it.

        Raises:
            UnknownIndexError: The new table has no index of that name.
            RequestRefusedError: A global one is to be read consistently.
        """
        if name is None:
            return None
        if not isinstance(name, str) or name not in self.new.indexes:
            raise UnknownIndexError(f"{self.new.table} has no index {name!r}")
        index = self.new.indexes[name]
        if consistent_read and not index.local:
            raise RequestRefusedError(
                f"index {name} is a global one, which has no consistent reads; leave it out"
            )
        said = next((each for each in declared if each.name == name), index)
        return attrs.evolve(index, old_index=said.old_index, old_value=said.old_value)

    def keys_of(self, index: Index | None) -> Callable[[WireItem], WireKey]:
        """Return what cuts the key out of an item, and beside it the key of an index."""
        schemas = (self.new.key,) if index is None else (self.new.key, index.key)

        def cut(item: WireItem) -> WireKey:
            key: WireKey = {}
            for schema in schemas:
                key |= key_of(item, schema, self.new.table)
            return key

        return cut

    def key_condition(
        self, condition: ConditionBase | str, index: Index | None, given: Placeholders
    ) -> KeyCondition:
        """Return a key condition on the table, or on one of its indexes.

        Raises:
            InvalidKeyError: It does not fit the key of the table or index.
        """
        schema = self.new.key if index is None else index.key
        where = self.new.table if index is None else f"index {index.name}"
        return key_conditions.checked(key_condition_of(condition, given), schema, where)

    def filter(
        self,
        condition: ConditionBase | str | None,
        given: Placeholders,
        index: Index | None,
        key: KeySchema | None = None,
    ) -> Callable[[WireItem], bool]:
        """Return what tells whether a logical item is wanted; `key` is what a query goes by.

        Raises:
            RequestRefusedError: The condition is malformed, or is about an attribute of that key,
                or one that the index does not project.
        """
        if condition is None:
            return _everything
        wanted = judged(filter_of(condition, given), self.marks, self.new.key_attributes)
        check_projects(index, wanted.roots, self.new.key, "the filter")
        for name in () if key is None else key.names:
            if name in wanted.roots:
                raise RequestRefusedError(
                    f"the filter of a query may not be about {name!r}, which is in the key that it"
                    " goes by; put it into the key condition, or look at the items that come"
                )
        return wanted.tree.holds

    def shown(
        self, paths: Projected | None, names: Mapping[str, str] | None
    ) -> Callable[[WireItem | None], Any]:
        """Return what makes of what is under a key, which may be a tombstone, what is wanted of it.

        Raises:
            RequestRefusedError: As for `projection`; a name is not used.
        """
        if paths is None and (names is None or names == {}):
            return self.loaded
        given = self.placeholders(names, None)
        show = self.projection(paths, given, None)
        given.check_all_used()
        marks = self.marks
        return lambda item: (
            None if item is None or marks.is_tombstone(item) else show(marks.strip(item))
        )

    def projection(
        self, paths: Projected | None, given: Placeholders, index: Index | None
    ) -> Callable[[WireItem], Any]:
        """Return what makes of a logical item what a caller wants of it.

        Raises:
            RequestRefusedError: A path is malformed, the index does not project what is at one, or
                a model needs whole items.
        """
        if paths is None:
            return self.show
        if self.form is not PLAIN:
            raise RequestRefusedError(
                "a projection yields no whole items, as a model needs; leave one of them out"
            )
        wanted = _parsed(paths, given)
        check_projects(index, wanted.roots, self.new.key, "the projection")
        return lambda item: codec.decode(wanted.apply(item))

    def projects(self, index: Index, paths: Projected, names: Mapping[str, str] | None) -> bool:
        """Tell whether an index has all that is wanted."""
        roots = _parsed(paths, self.placeholders(names, None)).roots
        return all(index.projects(root, self.new.key) for root in roots)


def defined(given: Mapping[str, _T] | None) -> Mapping[str, _T]:
    """Return names or values, of which None says that there are none."""
    return {} if given is None else given


def listed(many: Iterable[_T], what: str) -> list[_T]:
    """Return what comes in any number.

    Raises:
        InvalidSettingError: It does not.
    """
    if not isinstance(many, Iterable):
        raise InvalidSettingError(f"{what} must come as a list, not as {type(many).__name__}")
    return list(many)


def check_function(name: str, given: object) -> None:
    """Raise `InvalidSettingError` where something cannot be called."""
    if not callable(given):
        raise InvalidSettingError(f"{name} must be a function, not of type {type(given).__name__}")


def _placeholders(
    names: Mapping[str, str] | None, values: Mapping[str, Any] | None, keys: Collection[str]
) -> Placeholders:
    check_values(defined(values))
    return Placeholders(defined(names), codec.encode(defined(values)), keys)


def _parsed(paths: Projected, given: Placeholders) -> Projection:
    if isinstance(paths, str):
        return parse_projection(paths, given)
    if not isinstance(paths, Iterable):
        raise RequestRefusedError(
            f"a projection is a list of paths or an expression, not of type {type(paths).__name__}"
        )
    return projection_of(paths, given)


def _unconditional() -> RequestRefusedError:
    return RequestRefusedError("a condition check needs a condition")


def _everything(_item: WireItem) -> bool:
    return True
