"""Roles of two keys: transactions that write one and build on the other, or see both.

The rule: the state is that of both items, the watched one's first, and a spec answers for both at
one moment. So what is torn apart, or judged at different moments, has no order that explains it.
"""

from __future__ import annotations

from dualtable import ConditionCheck, Delete, Put, Update
from dualtable.errors import ConditionFailedError
from proof.history import Answer, Key, Logical, Repository, Role
from proof.roles import APPEND, HAS_OLD, added, appending, has_old, told
from proof.tables import logical_of, other_of

Pair = tuple[Logical, Logical]


async def append_to_both(repository: Repository, key: Key, word: str) -> Answer:
    given = {"names": {"#l": "log"}, "values": appending(word)}
    await repository.transact_write(
        [Update(each, APPEND, **given) for each in (key, other_of(key))]
    )
    return "done"


@told(ConditionFailedError, "condition failed")
async def put_if_other(repository: Repository, key: Key, word: str) -> Answer:
    await repository.transact_write(
        [Put({**key, "log": [word]}), ConditionCheck(other_of(key), HAS_OLD)]
    )
    return "done"


@told(ConditionFailedError, "condition failed")
async def put_other_if(repository: Repository, key: Key, word: str) -> Answer:
    await repository.transact_write(
        [ConditionCheck(key, HAS_OLD), Put({**other_of(key), "log": [word]})]
    )
    return "done"


@told(ConditionFailedError, "condition failed")
async def move(repository: Repository, key: Key, word: str) -> Answer:
    await repository.transact_write([Delete(key, HAS_OLD), Put({**other_of(key), "log": [word]})])
    return "done"


async def delete_other(repository: Repository, key: Key, word: str) -> Answer:
    await repository.delete(other_of(key))
    return "done"


async def see_both(repository: Repository, key: Key, word: str) -> Answer:
    one, other = await repository.transact_get([key, other_of(key)])
    return logical_of(one), logical_of(other)


def _appended(state: Pair, word: str) -> tuple[Pair, Answer]:
    one, other = (added(each, word)[0] for each in state)
    return (one, other), "done"


APPENDER_TO_BOTH = Role("append to both", append_to_both, _appended)
PUTTER_IF_OTHER = Role(
    "put if the other",
    put_if_other,
    lambda s, word: (((word,), s[1]), "done") if has_old(s[1]) else (s, "condition failed"),
)
OTHER_PUTTER_IF = Role(
    "put the other if",
    put_other_if,
    lambda s, word: ((s[0], (word,)), "done") if has_old(s[0]) else (s, "condition failed"),
)
MOVER = Role(
    "move to the other",
    move,
    lambda s, word: ((None, (word,)), "done") if has_old(s[0]) else (s, "condition failed"),
)
OTHER_DELETER = Role("delete the other", delete_other, lambda s, _: ((s[0], None), "done"))
SEER_OF_BOTH = Role("see both", see_both, lambda s, _: (s, s))

PAIRED = (
    APPENDER_TO_BOTH,
    PUTTER_IF_OTHER,
    OTHER_PUTTER_IF,
    MOVER,
    OTHER_DELETER,
    SEER_OF_BOTH,
)
