"""A dead letter, as the control table knows it: one record for each old item that is not copied.

The rule: a letter is stored in one transaction with the count of its segment, and taken out in one;
so whoever is killed when, a segment's count is that of its letters. It holds the key of the item,
the class of the error, the reason and its place in the user's code, and never another value.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from typing import Any

import attrs

from dualtable._control.records import ABSENT, Records, brief
from dualtable._dynamodb.gateway import TransactDelete, TransactPut
from dualtable._expressions.texts import Condition
from dualtable._wire import codec
from dualtable._wire.keys import identity
from dualtable._wire.types import Item, WireKey

MOST_AT_ONCE = 99
"""Letters of one transaction: DynamoDB takes 100 actions, and one is the segment's; and 4 MB, which
so many do not have, as long as a key and what is said of it may be."""

_PRESENT = Condition("attribute_exists(#m)", {"#m": "migration"})


@attrs.frozen
class DeadLetter:
    """One old item that was not copied.

    Attributes:
        key: Its key in the old table, in DynamoDB's own notation, so that no type is lost.
        error: The class of the error.
        reason: What was wrong, in words; never an item's values. At most 2,000 bytes.
        segment: The segment of the scan that it belongs to.
        where: File and line in the user's code where it happened; empty where it did not happen in
            the transform.

    Example:
        >>> from dualtable import DeadLetter
        >>> letter = DeadLetter({"id": {"S": "o-1"}}, "TransformError", "orders raised KeyError", 7)
        >>> letter.key
        {'id': {'S': 'o-1'}}
    """

    key: WireKey
    error: str = attrs.field(converter=brief)
    reason: str = attrs.field(converter=brief)
    segment: int
    where: str = attrs.field(default="", converter=brief)


@attrs.frozen
class LetterRecords:
    """The letters of one run."""

    records: Records
    run: str

    @property
    def prefix(self) -> str:
        """How the names of its records begin."""
        return f"letter#{self.run}#"

    def stored(self, letter: DeadLetter, fingerprint: str) -> TransactPut:
        """Return what stores a new letter, as a part of a transaction."""
        wire = self.records.wire(self._name(letter.key), _fields(letter, fingerprint))
        return TransactPut(self.records.table, wire, ABSENT)

    def taken_out(self, letter: DeadLetter) -> TransactDelete:
        """Return what takes a letter out that is there, as a part of a transaction."""
        key = self.records.key(self._name(letter.key))
        return TransactDelete(self.records.table, key, _PRESENT)

    async def rewrite(self, letter: DeadLetter, fingerprint: str) -> None:
        """Store a letter that has failed again, with its new reason.

        Raises:
            ConditionFailed: Somebody else has taken it out.
        """
        name = self._name(letter.key)
        await self.records.put(name, _fields(letter, fingerprint), _PRESENT)

    async def at(self, key: WireKey) -> DeadLetter | None:
        """Return the letter of an old item, None where it has none."""
        return await self.records.get(self._name(key), _letter)

    def pages(self) -> AsyncGenerator[list[DeadLetter], None]:
        """Yield all letters, a page of them at a time."""
        return self.records.pages(self.prefix, _letter)

    def _name(self, key: WireKey) -> str:
        """Return the name of a record; the key itself may be longer than a name can be."""
        return f"{self.prefix}{hashlib.sha256(repr(identity(key)).encode()).hexdigest()[:32]}"


def _fields(letter: DeadLetter, fingerprint: str) -> dict[str, Any]:
    fields = attrs.asdict(letter, recurse=False)
    return {**fields, "key": codec.decode(letter.key), "fingerprint": fingerprint}


def _letter(item: Item) -> DeadLetter:
    fields = {field: item[field] for field in attrs.fields_dict(DeadLetter)}
    key = codec.encode(fields["key"])
    if not all(value.keys() <= {"S", "N", "B"} for value in key.values()):
        raise ValueError("a key is made of text, numbers and binary")
    return DeadLetter(**{**fields, "key": key, "segment": int(fields["segment"])})
