"""The roles: one operation of the repository each, and what one DynamoDB item would do instead.

The rule: `act` uses the repository as production does and answers with what it was told; `spec` is
DynamoDB, and knows of no migration. The word of an actor is what its write adds to the log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from boto3.dynamodb import conditions

from dualtable import Update
from dualtable.errors import ConditionFailedError, ItemExistsError, ItemNotFoundError
from proof.history import Act, Answer, Key, Logical, Repository, Role
from proof.tables import BESIDE, INDEX, OTHER, logical_of, placed

HAS_OLD = conditions.Attr("log").contains("old")
APPEND = "SET #l = list_append(if_not_exists(#l, :none), :word)"


def appending(word: str) -> dict[str, Any]:
    return {":none": [], ":word": [word]}


# -- DynamoDB --------------------------------------------------------------------------------------


def added(state: Logical, word: str) -> tuple[Logical, Answer]:
    words, beside = apart(state)
    after = (*words, word, *beside)
    return after, after


def _signed(state: Logical, word: str) -> tuple[Logical, Answer]:
    words, beside = apart(state)
    signed = any(each[0] == "+" for each in beside)
    after = state if signed else (*words, f"+{word}", *beside)
    return after, after


def apart(state: Logical) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words of a log, and what the item holds beside it."""
    beside = tuple(each for each in state or () if each[0] in BESIDE.values())
    return tuple(each for each in state or () if each not in beside), beside


def when(holds: Callable[[Logical], bool], then: Any, otherwise: str) -> Any:
    """Return the spec of a write under a condition."""
    return lambda state, word: then(state, word) if holds(state) else (state, otherwise)


def replaced(state: Logical, word: str) -> tuple[Logical, Answer]:
    return (word,), "done"


def removed(state: Logical, word: str) -> tuple[Logical, Answer]:
    return None, "done"


def seen(state: Logical, word: str) -> tuple[Logical, Answer]:
    return state, state


def has_old(state: Logical) -> bool:
    return state is not None and "old" in state


def _is_there(state: Logical) -> bool:
    return state is not None


# -- the repository --------------------------------------------------------------------------------


def told(error: type[Exception], answer: str) -> Any:
    """Let an error that the caller expects be an answer."""

    def wrapped(act: Act) -> Act:
        async def answered(repository: Repository, key: Key, word: str) -> Answer:
            try:
                return await act(repository, key, word)
            except error:
                return answer

        return answered

    return wrapped


def _with(item: dict[str, Any], word: str) -> dict[str, Any]:
    return {**item, "log": [*item.get("log", ()), word]}


@told(ItemNotFoundError, "not found")
async def update(repository: Repository, key: Key, word: str) -> Answer:
    return logical_of(await repository.update(key, lambda item: _with(item, word)))


async def create(repository: Repository, key: Key, word: str) -> Answer:
    changed = await repository.update(key, lambda item: _with(item, word), create=True)
    return logical_of(changed)


async def put(repository: Repository, key: Key, word: str) -> Answer:
    await repository.put({**key, "log": [word]})
    return "done"


async def put_and_return(repository: Repository, key: Key, word: str) -> Answer:
    return logical_of(await repository.put({**key, "log": [word]}, return_old=True))


async def batch_put(repository: Repository, key: Key, word: str) -> Answer:
    await repository.batch_put([{**key, "log": [word]}])
    return "done"


@told(ItemExistsError, "exists")
async def put_if_absent(repository: Repository, key: Key, word: str) -> Answer:
    await repository.put({**key, "log": [word]}, if_absent=True)
    return "done"


@told(ConditionFailedError, "condition failed")
async def put_if(repository: Repository, key: Key, word: str) -> Answer:
    await repository.put({**key, "log": [word]}, condition=HAS_OLD)
    return "done"


async def delete(repository: Repository, key: Key, word: str) -> Answer:
    await repository.delete(key)
    return "done"


async def take(repository: Repository, key: Key, word: str) -> Answer:
    return logical_of(await repository.delete(key, return_old=True))


@told(ConditionFailedError, "condition failed")
async def delete_if(repository: Repository, key: Key, word: str) -> Answer:
    names, values = {"#d": "log"}, {":t": "old"}  # which the library calls something else
    await repository.delete(key, condition="contains(#d, :t)", names=names, values=values)
    return "done"


async def append(repository: Repository, key: Key, word: str) -> Answer:
    found = await repository.update_item(
        key,
        UpdateExpression=APPEND,
        ExpressionAttributeNames={"#l": "log"},
        ExpressionAttributeValues=appending(word),
        ReturnValues="ALL_NEW",
    )
    return logical_of(found)


@told(ConditionFailedError, "condition failed")
async def append_if(repository: Repository, key: Key, word: str) -> Answer:
    found = await repository.update_item(
        key,
        UpdateExpression=APPEND,
        ConditionExpression="attribute_exists(id)",
        ExpressionAttributeNames={"#l": "log"},
        ExpressionAttributeValues=appending(word),
        ReturnValues="ALL_NEW",
    )
    return logical_of(found)


@told(ConditionFailedError, "condition failed")
async def append_at_length(repository: Repository, key: Key, word: str) -> Answer:
    """Update under an expression that leaves no room for anything beside it."""
    found = await repository.update_item(
        key,
        UpdateExpression=APPEND,
        ConditionExpression=f"attribute_exists({'id':>4078})",
        ExpressionAttributeNames={"#l": "log"},
        ExpressionAttributeValues=appending(word),
        ReturnValues="ALL_NEW",
    )
    return logical_of(found)


async def take_away(repository: Repository, key: Key, word: str) -> Answer:
    await repository.update_item(key, UpdateExpression="REMOVE held")
    return "done"


async def transact(repository: Repository, key: Key, word: str) -> Answer:
    change = Update(key, APPEND, names={"#l": "log"}, values=appending(word))
    await repository.transact_write([change])
    return "done"


async def transact_once(repository: Repository, key: Key, word: str) -> Answer:
    change = Update(key, APPEND, names={"#l": "log"}, values=appending(word))
    await repository.transact_write([change], client_token=f"token of {word}")
    return "done"


async def read(repository: Repository, key: Key, word: str) -> Answer:
    return logical_of(await repository.get(key, consistent_read=True))


async def glance(repository: Repository, key: Key, word: str) -> Answer:
    return logical_of(await repository.get(key))


def _another(key: Any) -> Any:
    """Return a key of the same type: those of the fleet are text."""
    return {"id": "another"} if isinstance(key["id"], str) else OTHER


async def glance_at_several(repository: Repository, key: Key, word: str) -> Answer:
    return logical_of((await repository.batch_get([key, _another(key)]))[0])


async def read_at_once(repository: Repository, key: Key, word: str) -> Answer:
    return logical_of((await repository.transact_get([key, _another(key)]))[0])


async def query(repository: Repository, key: Key, word: str) -> Answer:
    condition = conditions.Key("id").eq(key["id"])
    return only([item async for item in repository.query(condition, consistent_read=True)])


async def put_elsewhere(repository: Repository, key: Key, word: str) -> Answer:
    await repository.put(placed({**key, "log": [word]}, 2))
    return "done"


async def query_index(repository: Repository, key: Key, word: str) -> Answer:
    condition = conditions.Key("id").eq(key["id"])
    return only([item async for item in repository.query(condition, index=INDEX)])


async def scan(repository: Repository, key: Key, word: str) -> Answer:
    every = [item async for item in repository.scan(consistent_read=True)]
    return only([item for item in every if item["id"] == key["id"]])


def only(items: list[dict[str, Any]]) -> Answer:
    """Return the one item, or say that it came twice."""
    if len(items) > 1:
        return f"{len(items)} of one key"
    return logical_of(items[0]) if items else None


@told(ItemNotFoundError, "not found")
async def sign(repository: Repository, key: Key, word: str) -> Answer:
    """Add an attribute where it is absent."""
    return logical_of(await repository.update(key, lambda item: {"extra": word, **item}))


async def look(repository: Repository, key: Key, word: str) -> Answer:
    """Read what is nobody's business, which is an occasion to hear of another phase."""
    await repository.get(OTHER, consistent_read=True)
    return "done"


UPDATER = Role("update", update, when(_is_there, added, "not found"), updates=True)
CREATOR = Role("update or create", create, added, updates=True)
PUTTER = Role("put", put, replaced)
EXCHANGER = Role("put, return old", put_and_return, lambda state, word: ((word,), state))
BATCH_PUTTER = Role("batch put", batch_put, replaced)
FOUNDER = Role(
    "put if absent", put_if_absent, when(lambda state: state is None, replaced, "exists")
)
CONDITIONAL_PUTTER = Role("put if", put_if, when(has_old, replaced, "condition failed"))
DELETER = Role("delete", delete, removed, deletes=True)
TAKER = Role("delete, return old", take, lambda state, _: (None, state), deletes=True, repeats=True)
CONDITIONAL_DELETER = Role(
    "delete if",
    delete_if,
    when(has_old, removed, "condition failed"),
    deletes=True,
    repeats=True,
)
APPENDER = Role("update item", append, added, updates=True, repeats=True)
CONDITIONAL_APPENDER = Role(
    "update item if",
    append_if,
    when(_is_there, added, "condition failed"),
    updates=True,
    repeats=True,
)
LONG_APPENDER = Role(
    "update item at length",
    append_at_length,
    when(_is_there, added, "condition failed"),
    updates=True,
)
REMOVER = Role("update item that takes away", take_away, lambda state, _: (state, "done"))
TRANSACTOR = Role("transaction", transact, lambda state, word: (added(state, word)[0], "done"))
TOKEN_TRANSACTOR = Role(
    "transaction with a token",
    transact_once,
    lambda state, word: (added(state, word)[0], "done"),
)
READER = Role("get strongly", read, seen, reads=True)
GLANCER = Role("get", glance, seen, reads=True, eventual=True)
GLANCERS = Role("batch get", glance_at_several, seen, reads=True, eventual=True)
SNAPSHOT = Role("transaction of reads", read_at_once, seen, reads=True)
QUERIER = Role("query", query, seen, reads=True)
MOVER = Role("put elsewhere in the index", put_elsewhere, replaced)
INDEX_QUERIER = Role("query of an index", query_index, seen, reads=True, eventual=True)
SCANNER = Role("scan", scan, seen, reads=True)
COPIER = Role("get, copy on read", glance, seen, True, True, settings={"copy_on_read": True})
BOTH = Role("get from both", glance, seen, reads=True, settings={"one_round_trip": True})

SIGNER = Role("sign", sign, when(_is_there, _signed, "not found"))
LOOKER = Role("look", look, lambda state, _: (state, "done"))

CORE = (UPDATER, CREATOR, PUTTER, FOUNDER, DELETER, READER, GLANCER)
ROLES = (
    *CORE,
    CONDITIONAL_PUTTER,
    EXCHANGER,
    TAKER,
    CONDITIONAL_DELETER,
    APPENDER,
    CONDITIONAL_APPENDER,
    LONG_APPENDER,
    REMOVER,
    TRANSACTOR,
    TOKEN_TRANSACTOR,
    SNAPSHOT,
    QUERIER,
    SCANNER,
    COPIER,
    BOTH,
)
