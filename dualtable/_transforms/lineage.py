"""Which new items an old item yields, and which old item a new key comes from.

The rule: repository, migrator and verifier ask the transform here and nowhere else, so that
fallback and copy agree (I8). A transform that breaks its contract is an error for that item, never
a silent copy.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import attrs

from dualtable._transforms.applying import (
    backward_wire,
    forward_wire,
    forward_wire_alike,
    keeps_key,
    new_key,
    no_new_key,
    old_name,
)
from dualtable._transforms.guarded import guarded, told
from dualtable._transforms.migration import Migration
from dualtable._transforms.reversal import Reversed
from dualtable._transforms.transform import Transform
from dualtable._wire import codec
from dualtable._wire.items import check_item, check_keys, check_size
from dualtable._wire.keys import identity, key_of, plain
from dualtable._wire.layouts import KeySchema, Layout, check_apart
from dualtable._wire.marks import Marks
from dualtable._wire.packed import PackedItem
from dualtable._wire.types import WireItem, WireKey, WireValue
from dualtable._wire.values import equal, equal_items
from dualtable.errors import DualTableError, InvalidItemError, InvalidKeyError, TransformError


@attrs.frozen
class Lineage:
    """The transform of one migration, bound to the keys of its two tables."""

    transform: Transform
    marks: Marks
    old: Layout
    new: Layout

    @classmethod
    def of(cls, migration: Migration, old: Layout, new: Layout) -> Lineage:
        """Bind a migration's transform to the tables as they are.

        Raises:
            TableMismatchError: They are one table under two names, or a key of one is made of an
                attribute that the library owns.
        """
        check_apart({old.table: old.identity, new.table: new.identity})
        for table in (old, new):
            migration.marks.check_keys(table.key_attributes, table.table)
        return cls(migration.transform, migration.marks, old, new)

    @functools.cached_property
    def keeps_keys(self) -> bool:
        """Whether it is known that every key is the same in both tables."""
        return self.old.key == self.new.key and keeps_key(self.transform, self.new.key.names)

    @functools.cached_property
    def keeps_partitions(self) -> bool:
        """Whether it is known that every item stays in its partition, whatever its sort key."""
        kept = self.old.key.partition
        return kept == self.new.key.partition and keeps_key(self.transform, [kept.name])

    @property
    def _old_partition(self) -> tuple[KeySchema, str]:
        return KeySchema(self.old.key.partition), self.old.table

    def old_partition(self, partition: WireKey) -> WireValue | None:
        """Return the partition of `old` that yields the items of one of `new`, if any.

        Raises:
            TransformError: The transform's `old_key` cannot tell it from the partition key alone.
        """
        name = self.old.key.partition.name
        if self.keeps_partitions:
            return partition[name]
        try:
            key = self.transform.old_key(_PartitionKey(plain(partition), self.new.key))
            if key is None:
                return None
            return key_of(codec.encode({name: key[name]}), *self._old_partition)[name]
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            raise TransformError(
                f"old_key of {self.transform!r} cannot map a partition of {self.new.table} back to"
                f" one of {self.old.table} ({_reason(error)}), so it can only be queried after"
                " the cut-over; get items by their keys, or scan",
                key=plain(partition),
            ) from error

    def old_key(self, new_key: WireKey) -> WireKey | None:
        """Return the key under which `old` holds the item that yields `new_key`, if any.

        Attributes that are no key attribute of `old` do not count: a new table that adds a sort
        key needs no `old_key` of its own.

        Raises:
            TransformError: The transform's `old_key` failed or does not fit the old table.
        """
        if self.keeps_keys:
            return new_key
        shown = plain(new_key)
        try:
            key = self._call_old_key(shown)
            return None if key is None else key_of(key, self.old.key, self.old.table)
        except (InvalidItemError, InvalidKeyError) as error:
            raise TransformError(
                f"old_key of {self.transform!r} does not lead to a key of {self.old.table}"
                f" ({error}); a transform that changes the key must say the way back in old_key",
                key=shown,
            ) from error

    def _call_old_key(self, new_key: dict[str, object]) -> WireKey | None:
        def old_key() -> WireKey | None:
            key = self.transform.old_key(dict(new_key))
            return None if key is None else codec.encode(key)

        try:
            return guarded(old_key, self.transform, "old_key of {!r}")
        except DualTableError as error:
            error.key = new_key
            raise

    def origin(self, new_key: WireKey) -> WireKey | None:
        """Return what `old_key` does; None too where it fails: then no item has come from there."""
        try:
            return self.old_key(new_key)
        except DualTableError:
            return None

    def new_items(self, old_item: WireItem) -> list[tuple[WireKey, WireItem]]:
        """Return what an old item yields to those who read, each with its key.

        Raises:
            TransformError: The item is a dead letter, whatever its kind; see `outputs`.
        """
        source = key_of(old_item, self.old.key, self.old.table)
        try:
            return [(output.key, output.item) for output in self.outputs(old_item, source)]
        except (InvalidItemError, InvalidKeyError) as error:
            raise TransformError(
                f"{self.transform!r} yields what {self.new.table} would refuse: {error}",
                key=error.key,
            ) from error

    def new_keys(self, old_item: WireItem) -> list[WireKey]:
        """Return the keys that an old item yields; none where it is a dead letter."""
        try:
            return [key for key, _ in self.new_items(old_item)]
        except TransformError:
            return []

    def old_item(self, new_item: WireItem) -> WireItem:
        """Return the old item that a new one is written to `old` as, after every check of I9.

        The library's attributes are left out of it.

        Raises:
            TransformError: There is no way back for this item, the way back is not deterministic,
                or what it leads to does not yield just this item again under this key.
        """
        old = self.way_back(new_item)
        self.check_comes_back(old, new_item)
        return old

    def way_back(self, new_item: WireItem) -> WireItem:
        """Return what the transform makes of a new item on the way back; nobody checks it here.

        Raises:
            TransformError: There is no way back for this item, or it is not deterministic.
        """
        item = self.marks.strip(new_item)
        try:
            old = backward_wire(self.transform, item)
            if not equal_items(old, backward_wire(self.transform, item)):
                raise TransformError("its way back gave two results for one item")
            self.marks.check_free(old)
        except DualTableError as error:
            key = key_of(item, self.new.key, self.new.table)
            raise self._no_way_back(key, error) from error
        return old

    def check_comes_back(self, old_item: WireItem, new_item: WireItem) -> None:
        """Check that `old` takes an item, and that it yields just this new one (I9).

        Raises:
            TransformError: It does not; the message names the attributes that differ.
        """
        wanted = self.marks.strip(new_item)
        key = key_of(wanted, self.new.key, self.new.table)
        try:
            source = check_item(old_item, self.old)
            back = self.old_key(key)
            if back is None or identity(back) != identity(source):
                raise TransformError("its way back and old_key lead to two different keys")
            self._check_only_one(source, key)
            _check_just(self.outputs(old_item, source), key, wanted)
        except DualTableError as error:
            raise self._no_way_back(key, error) from error

    def _check_only_one(self, source: WireKey, key: WireKey) -> None:
        """Check that the old key leads to this new one alone, where the transform can tell."""
        if self.keeps_keys or no_new_key(self.transform) is not None:
            return

        def said() -> WireKey | None:
            found = new_key(self.transform, plain(source))
            return None if found is None else codec.encode(found)

        wire = guarded(said, self.transform, "new_key of {!r}")
        if wire is not None:
            wire = key_of(wire, self.new.key, self.new.table)
        if wire is None or identity(wire) != identity(key):
            raise TransformError(
                "its old key is that of another new item, which it would take the place of"
            )

    def _no_way_back(self, key: WireKey, reason: DualTableError) -> TransformError:
        return TransformError(
            f"the item cannot be written to {self.old.table}, where writes go in this phase, since"
            f" {self.transform!r} does not lead back to just this item: {reason}",
            key=plain(key),
        )

    def check_one_to_one(self) -> None:
        """Check what can be known beforehand of keys that must depend on each other alone.

        A transform with an `old_key` of its own does not tell. With a `new_key`, too, it is judged
        on each item; without, only its author knows.

        Raises:
            TransformError: A put of one new item could erase another one in `old`.
        """
        transform, old, new = self.transform, self.old, self.new
        if isinstance(transform, Reversed):
            transform, old, new = transform.transform, self.new, self.old
        names = [old_name(transform, name) for name in new.key.names]
        if None not in names and set(names) != set(old.key.names):
            raise TransformError(
                f"rolling=True needs keys that are one to one: the key of {new.table} comes of"
                f" {', '.join(map(repr, names))}, that of {old.table} is"
                f" {', '.join(map(repr, old.key.names))}; migrate without it"
            )

    def new_item(self, old_item: WireItem, new_key: WireKey) -> WireItem | None:
        """Return the one item that an old item yields under a new key, if it does."""
        wanted = identity(new_key)
        for key, item in self.new_items(old_item):
            if identity(key) == wanted:
                return item
        return None

    def outputs(self, old_item: WireItem, source: WireKey, *, twice: bool = True) -> list[Output]:
        """Return what an old item with this key yields, ready to be sent, after every check of I8.

        A tombstone that an earlier migration left in `old` is no item and yields nothing; its
        write tokens are dropped before the transform sees an item. Who compares what was made with
        what was made before need not have it made `twice` now.

        Raises:
            TransformError: The transform raised, returned what is no item, changed the key without
                an `old_key` that leads back, is not deterministic, or made two items of one key.
            InvalidItemError: An output is something that the new table would refuse.
            InvalidKeyError: An output lacks a key attribute or has it in the wrong type.
        """
        if self.marks.is_tombstone(old_item):
            return []
        try:
            return self._checked(source, self._without_token(old_item), twice=twice)
        except DualTableError as error:
            error.key = plain(source)
            raise

    def _without_token(self, old_item: WireItem) -> WireItem:
        return self.marks.strip(old_item) if self.marks.token in old_item else old_item

    def _checked(self, source: WireKey, item: WireItem, *, twice: bool) -> list[Output]:
        outputs = self._forward_alike(item) if twice else forward_wire(self.transform, item)
        checked = [self._checked_output(output, source) for output in outputs]
        if len(checked) > 1 and len({identity(new.key) for new in checked}) < len(checked):
            raise TransformError(f"{self.transform!r} made two items with one key")
        return checked

    def _forward_alike(self, item: WireItem) -> list[WireItem]:
        outputs, alike = forward_wire_alike(self.transform, item)
        if not alike:
            raise TransformError(
                f"{self.transform!r} gave two results for one item; it must not depend on time,"
                " chance or anything but the item"
            )
        return outputs

    def _checked_output(self, output: WireItem, source: WireKey) -> Output:
        self.marks.check_free(output)
        key = check_keys(output, self.new)
        packed = PackedItem.of(output)
        check_size(output, key, packed.json_bytes())
        back = key if self.keeps_keys else self.old_key(key)
        if back != source and (back is None or identity(back) != identity(source)):
            raise TransformError(
                f"{self.transform!r} made a key that old_key does not lead back from:"
                f" {plain(key)} leads to {back and plain(back)}; a transform that changes the key"
                " must say the way back in old_key, for a number from the one spelling it has"
            )
        return Output(key, output, packed)


@attrs.frozen
class Output:
    """A new item that has passed every check, with its key, and ready to be sent."""

    key: WireKey
    item: WireItem
    packed: PackedItem


class _PartitionKey(dict[str, Any]):
    """A key without its sort key, for an `old_key` that does not need it; to look for it fails."""

    def __init__(self, partition: dict[str, Any], schema: KeySchema) -> None:
        super().__init__(partition)
        self._sort = schema.sort.name if schema.sort else None

    def __contains__(self, name: object) -> bool:
        if name == self._sort:
            raise KeyError(name)
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name, default) if name in self else default


def _reason(error: BaseException) -> str:
    return str(error) if isinstance(error, DualTableError) else told(error)


def _check_just(found: Sequence[Output], key: WireKey, wanted: WireItem) -> None:
    if len(found) != 1:
        raise TransformError(f"it comes back as {len(found)} items")
    if identity(found[0].key) != identity(key):
        raise TransformError("it comes back under another key")
    if not equal_items(found[0].item, wanted):
        raise TransformError(
            f"it comes back otherwise in {', '.join(map(repr, _differing(found[0].item, wanted)))};"
            " write it as the transform makes it, or mend the way back"
        )


def _differing(one: WireItem, other: WireItem) -> list[str]:
    return sorted(
        name
        for name in one.keys() | other.keys()
        if name not in one or name not in other or not equal(one[name], other[name])
    )
