"""What a write to `old` is, in the phases in which it is still the table of record.

The rule: it is the way back of the new item (I9), it sends what has changed and nothing else, and
it holds only while `old` is as it was read. So what old code adds meanwhile, and what the transform
drops, stays; and since old code keeps no token, every value that was read is compared, and the
absence of every attribute that is set.

What the caller's function concluded from the absence of another attribute cannot be known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias, TypeVar

import attrs

from dualtable._dynamodb.gateway import (
    Gateway,
    TransactCheck,
    TransactDelete,
    TransactPut,
    TransactUpdate,
)
from dualtable._expressions.requests import has_room
from dualtable._expressions.texts import Condition, Update, changing
from dualtable._production.overlay import Origin
from dualtable._transforms.lineage import Lineage
from dualtable._wire.differences import changed
from dualtable._wire.keys import plain
from dualtable._wire.layouts import Layout
from dualtable._wire.marks import Marks
from dualtable._wire.types import WireItem, WireKey, WireValue
from dualtable._wire.values import equal
from dualtable.errors import InvalidItemError, TransformError

_Text = TypeVar("_Text", Condition, Update)
OldWrite: TypeAlias = TransactPut | TransactUpdate | TransactDelete


@attrs.frozen
class OldWrites:
    """Writes to `old`, and checks of it; `old_code` tells whether others may write beside us."""

    lineage: Lineage
    old_code: bool

    @property
    def _old(self) -> Layout:
        return self.lineage.old

    @property
    def _marks(self) -> Marks:
        return self.lineage.marks

    def put(self, stamped: WireItem) -> TransactPut:
        """Put the way back of a new item, whatever is there.

        Raises:
            TransformError: It does not come back as it is (I9).
        """
        return TransactPut(self._old.table, self._back(stamped))

    def write(self, origin: Origin, before: WireItem | None, stamped: WireItem) -> OldWrite:
        """Make a new item of the one that was seen, where there was one.

        Raises:
            TransformError: It does not come back as it is (I9).
            InvalidItemError: `old` has more attributes than can be compared.
        """
        if origin.item is None or before is None:
            self._check_free(origin)
            return TransactPut(self._old.table, self._back(stamped), self.unchanged(origin))
        way_back = self.lineage.way_back
        there = self._marks.strip(origin.item)
        wanted = changed(there, way_back(before), way_back(stamped))
        self.lineage.check_comes_back(wanted, stamped)
        return self._update(origin.item, self._stamped(wanted, stamped))

    def _check_free(self, origin: Origin) -> None:
        """Refuse to take the place of an old item that yields another key."""
        if origin.item is not None and self.lineage.new_items(origin.item):
            raise TransformError(
                f"the item would take the place of another one in {self._old.table}, whose new key"
                " is another; rolling=True needs keys that are one to one",
                key=plain(origin.key or {}),
            )

    def delete(self, origin: Origin) -> TransactDelete:
        """Delete what was read."""
        return TransactDelete(self._old.table, origin.key or {}, self.unchanged(origin))

    def check(self, origin: Origin) -> TransactCheck:
        """Let a transaction depend on what was read."""
        return TransactCheck(self._old.table, origin.key or {}, self.unchanged(origin))

    def unchanged(self, origin: Origin) -> Condition:
        """`old` still has what was read."""
        if origin.item is None:
            return Condition("attribute_not_exists(#k)", {"#k": self._old.key.partition.name})
        return self._as_read(origin.item)

    def _back(self, stamped: WireItem) -> WireItem:
        return self._stamped(self.lineage.old_item(stamped), stamped)

    def _stamped(self, old_item: WireItem, stamped: WireItem) -> WireItem:
        return self._marks.stamp(old_item, self._marks.token_of(stamped) or "")

    def _update(self, there: WireItem, wanted: WireItem) -> TransactUpdate:
        key = {name: wanted[name] for name in self._old.key.names}
        setting = {
            name: value
            for name, value in wanted.items()
            if name not in there or not equal(there[name], value)
        }
        removing = [name for name in there if name not in wanted]
        guard = self._as_read(there, [name for name in setting if name not in there])
        return TransactUpdate(
            self._old.table, key, self._checked(changing(setting, removing), key), guard
        )

    def _as_read(self, item: WireItem, absent: Iterable[str] = ()) -> Condition:
        """All of an item is as it was read, and nothing is under the absent names.

        Without old code beside us, whoever writes gives a new token: then that is enough.
        """
        marks, key = self._marks, self._old.key.names
        token = marks.token_of(item)
        if not self.old_code and token is not None:
            return Condition("#t = :t", {"#t": marks.token}, {":t": {"S": token}})
        missing = {*absent, marks.token, marks.tombstone} - item.keys()
        present = {name: value for name, value in item.items() if name not in key}
        guard = _comparing(key[0], present, missing)
        return self._checked(guard, {name: item[name] for name in key})

    def _checked(self, expression: _Text, key: WireKey) -> _Text:
        """Return an expression that DynamoDB takes; it has as many parts as attributes count."""
        if not has_room(expression):
            raise InvalidItemError(
                f"an item of {self._old.table} has more attributes than can be compared or changed"
                " in one request, as this phase of the migration needs; put it as a whole",
                key=plain(key),
            )
        return expression


def _comparing(key: str, present: Mapping[str, WireValue], missing: Iterable[str]) -> Condition:
    parts = ["attribute_exists(#k)"]
    names, values = {"#k": key}, {}
    for number, (name, value) in enumerate(sorted(present.items())):
        parts.append(f"#p{number} = :p{number}")
        names[f"#p{number}"], values[f":p{number}"] = name, value
    for number, name in enumerate(sorted(missing)):
        parts.append(f"attribute_not_exists(#m{number})")
        names[f"#m{number}"] = name
    return Condition(" AND ".join(parts), names, values)


async def send(gateway: Gateway, write: OldWrite) -> WireItem | None:
    """Send a write by itself; return what the table has then, or what has been deleted.

    Raises:
        ConditionFailed: `old` is not as it was read.
    """
    if isinstance(write, TransactPut):
        await gateway.put(write.table, write.item, write.condition)
        return write.item
    if isinstance(write, TransactUpdate):
        return await gateway.update(
            write.table, write.key, write.update, write.condition, return_values="ALL_NEW"
        )
    return await gateway.delete(write.table, write.key, write.condition, return_old=True)
