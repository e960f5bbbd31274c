"""Old code: it knows one table, its own format, and nothing of the library.

The rule: what it does is one request to `old`, in DynamoDB's words; what it reads first, it
compares as it sees fit. What the library adds to an item it carries along or drops, as it comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from dualtable import Verifier
from dualtable._dynamodb.gateway import ConditionFailed
from dualtable._expressions.texts import Condition, Update
from dualtable._wire import codec
from dualtable.errors import ConcurrentUpdateError, ConditionFailedError
from proof.history import Answer, Key, Logical, Role
from proof.roles import apart, removed, replaced, seen, when
from proof.tables import MARKS, NEW, OLD, ROLLING, in_old


@attrs.frozen
class Bare(Role):
    """It is given the gateway where others have a repository."""


@attrs.frozen
class OldCode(Bare):
    """An operation of old code, which is gone once `ROLLING_OUT` is over."""


async def put(gateway: Any, key: Key, word: str) -> Answer:
    await gateway.put(OLD, _item(key, word))
    return "done"


async def found(gateway: Any, key: Key, word: str) -> Answer:
    absent = Condition("attribute_not_exists(id)")
    return await _if_it_holds(gateway.put(OLD, _item(key, word), absent))


async def delete(gateway: Any, key: Key, word: str) -> Answer:
    await gateway.delete(OLD, codec.encode(key))
    return "done"


async def add(gateway: Any, key: Key, word: str) -> Answer:
    """Add an attribute that nobody else knows."""
    await gateway.update(OLD, codec.encode(key), _set("extra", word))
    return "done"


async def note(gateway: Any, key: Key, word: str) -> Answer:
    """Change what the transform drops."""
    await _if_it_holds(gateway.update(OLD, codec.encode(key), _set("legacy", word), _IS_THERE))
    return "done"


async def rewrite(gateway: Any, key: Key, word: str) -> Answer:
    """Change one attribute; what else there is stays, the library's token too."""
    await gateway.update(OLD, codec.encode(key), _set("words", word))
    return "done"


async def read(gateway: Any, key: Key, word: str) -> Answer:
    item = await gateway.get(OLD, codec.encode(key), consistent_read=True)
    return in_old(item).yields


_IS_THERE = Condition("attribute_exists(id)")


def _item(key: Key, word: str) -> Any:
    return codec.encode({**key, "words": word})


def _set(name: str, value: str) -> Update:
    return Update("SET #n = :v", {"#n": name}, {":v": {"S": value}})


async def _if_it_holds(call: Any) -> Answer:
    try:
        await call
    except ConditionFailed:
        return "condition failed"
    return "done"


def _rewritten(state: Logical, word: str) -> tuple[Logical, Answer]:
    return (word, *apart(state)[1]), "done"


def _extended(state: Logical, word: str) -> tuple[Logical, Answer]:
    words, beside = apart(state)
    return (*words, *sorted({f"+{word}", *(each for each in beside if each[0] != "+")})), "done"


async def sweep(gateway: Any, key: Key, word: str) -> Answer:
    """Take a tombstone away, as it is done once nobody believes the old table any more."""
    buried = Condition("attribute_exists(#d)", {"#d": MARKS.tombstone})
    await _if_it_holds(gateway.delete(NEW, codec.encode(key), buried))
    return "done"


async def mend(gateway: Any, key: Key, word: str) -> Answer:
    """Copy an item again that differs from what it was made of, as an operator asks for it."""
    verifier = Verifier(ROLLING, gateway=gateway)
    try:
        paths = await verifier.repair_key(key)
    except (ConditionFailedError, ConcurrentUpdateError):
        return "left"
    return "mended" if paths else "left"


def _mended(state: Logical, word: str) -> tuple[Logical, Answer]:
    return (("old", "@n"), "mended") if state == ("damaged",) else (state, "left")


OLD_PUTTER = OldCode("old code's put", put, replaced)
OLD_FOUNDER = OldCode(
    "old code's put if absent",
    found,
    when(lambda state: state is None, replaced, "condition failed"),
)
OLD_DELETER = OldCode("old code's delete", delete, removed, deletes=True)
OLD_ADDER = OldCode("old code's new attribute", add, _extended)
OLD_WRITER = OldCode("old code's change", rewrite, _rewritten)
OLD_NOTER = OldCode("old code's note", note, lambda state, _: (state, "done"))
OLD_READER = OldCode("old code's get", read, seen, reads=True)
SWEEPER = Bare("sweep", sweep, lambda state, _: (state, "done"))
MENDER = Bare("repair", mend, _mended)
OLD_CODE: Sequence[OldCode] = (
    OLD_PUTTER,
    OLD_FOUNDER,
    OLD_DELETER,
    OLD_ADDER,
    OLD_WRITER,
    OLD_NOTER,
    OLD_READER,
)
