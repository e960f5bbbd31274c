"""Roles that read page by page, each page by a token and a new iterator, and those beside them.

The rule: a role answers for one of two keys, at any moment between its first call and its last: a
scan is no snapshot. But its key comes once, and where it is there all the time, it does come.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from operator import attrgetter
from typing import Any

import attrs
from boto3.dynamodb import conditions

from dualtable.errors import StalePhaseError
from proof.history import Answer, Key, Repository, Role
from proof.moves import UNSEEN
from proof.pairs import OTHER_DELETER, Pair
from proof.roles import DELETER, PUTTER, only, replaced, seen
from proof.tables import INDEX, other_of, placed


async def by_pages(
    page: Callable[[Any], Any], place: Callable[[Any], Any] = attrgetter("token")
) -> list[dict[str, Any]]:
    """Read one item a page, from token to token, or from key to key."""
    found: list[dict[str, Any]] = []
    last = None
    while True:
        items = page(last)
        found += [item async for item in items]
        last = place(items)
        if last is None:
            return found


_KEY = attrgetter("last_key")


def of_one(key: Key, found: list[dict[str, Any]]) -> Answer:
    return only([item for item in found if item["id"] == key["id"]])


async def scanned(repository: Repository) -> list[dict[str, Any]]:
    return await by_pages(lambda t: repository.scan(limit=1, consistent_read=True, token=t))


async def queried(repository: Repository, key: Key, *, descending: bool) -> list[dict[str, Any]]:
    condition = conditions.Key("group").eq(key["group"])
    return await by_pages(
        lambda token: repository.query(
            condition, limit=1, descending=descending, consistent_read=True, token=token
        )
    )


async def scan(repository: Repository, key: Key, word: str) -> Answer:
    return of_one(key, await scanned(repository))


async def scan_other(repository: Repository, key: Key, word: str) -> Answer:
    return of_one(other_of(key), await scanned(repository))


async def scan_by_keys(repository: Repository, key: Key, word: str) -> Answer:
    found = await by_pages(
        lambda last: repository.scan(limit=1, consistent_read=True, after=last), _KEY
    )
    return of_one(key, found)


async def query_by_keys(repository: Repository, key: Key, word: str) -> Answer:
    condition = conditions.Key("group").eq(key["group"])
    found = await by_pages(
        lambda last: repository.query(condition, limit=1, consistent_read=True, after=last), _KEY
    )
    return of_one(key, found)


async def query(repository: Repository, key: Key, word: str) -> Answer:
    return of_one(key, await queried(repository, key, descending=True))


async def query_other(repository: Repository, key: Key, word: str) -> Answer:
    return of_one(other_of(key), await queried(repository, key, descending=False))


async def query_index(repository: Repository, key: Key, word: str) -> Answer:
    condition = conditions.Key("id").eq(key["id"])
    return only(
        await by_pages(lambda t: repository.query(condition, index=INDEX, limit=1, token=t))
    )


async def query_index_on(repository: Repository, key: Key, word: str) -> Answer:
    """Go on with a query of an index whose first page was read before anything happened."""
    condition = conditions.Key("id").eq(key["id"])
    seen_by_nobody = UNSEEN.set(True)
    items = repository.query(condition, index=INDEX, limit=1)
    found = [item async for item in items]
    UNSEEN.reset(seen_by_nobody)
    await repository.get(key)  # which takes its time
    rest = repository.query(condition, index=INDEX, token=items.token)
    found += [item async for item in rest]
    return "once" if len(found) == 1 else f"{len(found)} of one key"


async def put_in_place(repository: Repository, key: Key, word: str) -> Answer:
    await repository.put(placed({**key, "log": [word]}))
    return "done"


_BEGUN: ContextVar[tuple[Any, list[dict[str, Any]]] | None] = ContextVar("_BEGUN", default=None)
"""The iterator that an actor has left after its first item, and that item."""


async def begin_scan(repository: Repository, key: Key, word: str) -> Answer:
    return await _begin(repository.scan(consistent_read=True))


async def begin_query(repository: Repository, key: Key, word: str) -> Answer:
    condition = conditions.Key("group").eq(key["group"])
    return await _begin(repository.query(condition, descending=True, consistent_read=True))


async def _begin(items: Any) -> Answer:
    _BEGUN.set((items, [await anext(items)]))
    return "done"


async def go_on(repository: Repository, key: Key, word: str) -> Answer:
    """Go on with what was begun; its first item was the other one."""
    begun = _BEGUN.get()
    if begun is None:
        raise StalePhaseError("it was refused from the beginning")
    items, found = begun
    return of_one(key, found + [item async for item in items])


async def go_on_for_other(repository: Repository, key: Key, word: str) -> Answer:
    """The same where the watched key came first."""
    return await go_on(repository, other_of(key), word)


async def put_other(repository: Repository, key: Key, word: str) -> Answer:
    await repository.put({**other_of(key), "log": [word]})
    return "done"


def first(role: Role) -> Role:
    """Return a role of the watched key as one of two keys."""

    def spec(state: Pair, word: str) -> tuple[Pair, Answer]:
        after, answer = role.spec(state[0], word)
        return (after, state[1]), answer

    return attrs.evolve(role, spec=spec)


def seen_first(state: Pair, word: str) -> tuple[Pair, Answer]:
    return state, state[0]


def seen_second(state: Pair, word: str) -> tuple[Pair, Answer]:
    return state, state[1]


def put_second(state: Pair, word: str) -> tuple[Pair, Answer]:
    after, answer = replaced(state[1], word)
    return (state[0], after), answer


SCANNER = Role("scan by pages", scan, seen_first)
OTHER_SCANNER = Role("scan by pages for the other", scan_other, seen_second)
KEY_SCANNER = Role("scan from key to key", scan_by_keys, seen_first)
KEY_QUERIER = Role("query from key to key", query_by_keys, seen_first)
QUERIER = Role("query by pages", query, seen_first)
OTHER_QUERIER = Role("query by pages for the other", query_other, seen_second)
INDEX_PAGER = Role("query of an index by pages", query_index, seen, reads=True, eventual=True)
REST_OF_INDEX = Role(
    "the rest of a query of an index", query_index_on, lambda state, _: (state, "once")
)
PLACER = Role("put in its place", put_in_place, replaced)
SCAN_BEGINNER = Role("begin a scan", begin_scan, lambda state, _: (state, "done"))
QUERY_BEGINNER = Role("begin a query", begin_query, lambda state, _: (state, "done"))
REST = Role("the rest", go_on, seen_first)
OTHER_REST = Role("the rest for the other", go_on_for_other, seen_second)
OTHER_PUTTER = Role("put the other", put_other, put_second)

SCANNERS = (SCANNER, OTHER_SCANNER, KEY_SCANNER)
QUERIERS = (QUERIER, OTHER_QUERIER, KEY_QUERIER)
SCAN_ON = (SCAN_BEGINNER, REST)
QUERY_ON = (QUERY_BEGINNER, REST)
ITERATORS = ((SCAN_BEGINNER, OTHER_REST), QUERY_ON)
"""Scripts of who reads both keys of one partition by one iterator, which he leaves in between."""
BESIDE = (first(PUTTER), first(DELETER), OTHER_PUTTER, OTHER_DELETER)
"""Who writes between the pages; a migrator copies too."""
