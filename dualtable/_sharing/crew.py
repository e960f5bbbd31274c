"""The workers of one process: they take segments from the board and work on them page by page.

The rule: nobody stops in the middle of a page without need, and what is not worked on any more is
given back, so that others need not wait for a lease to run out. Whoever may hold a page up leaves
its room to another segment meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

import attrs

from dualtable._clock import Clock
from dualtable._sharing.board import Board
from dualtable._sharing.held import Held
from dualtable._tasks import first_error, leaving
from dualtable.errors import (
    DualTableError,
    LeaseLostError,
    MigrationMismatchError,
    RetryableError,
)

_log = logging.getLogger("dualtable.sharing")

_POLL_SECONDS = 1.0
_STOP_SECONDS = 10.0
"""How long pages on their way have after a stop; then their segments are given back as they are."""


class Room:
    """A worker's place among those whose pages may be on their way; it may leave early."""

    def __init__(self, rooms: asyncio.Semaphore) -> None:
        self._rooms = rooms
        self._inside = False

    async def enter(self) -> None:
        if not self._inside:
            await self._rooms.acquire()
            self._inside = True

    def leave(self) -> None:
        if self._inside:
            self._inside = False
            self._rooms.release()

    async def __aenter__(self) -> None:
        await self.enter()

    async def __aexit__(self, *_: object) -> None:
        self.leave()


Pages: TypeAlias = Callable[[Held, Room], Awaitable[None]]
"""Works on the pages of a segment until it is done, or the crew is stopping and it is given back.
"""


@attrs.define(kw_only=True, eq=False)
class Crew:
    """Workers on the segments of one board.

    Args:
        board: Who hands the segments out.
        stopping: Set when no further page shall be begun.
        clock: Where time comes from.
        store_seconds: How long what is settled may stay unstored.
        rooms: Pages on their way at once, at most.
        most_open: Segments held at once, at most.
    """

    board: Board
    stopping: asyncio.Event
    clock: Clock
    store_seconds: float
    rooms: int
    most_open: int
    _failure: Exception | None = attrs.field(init=False, default=None)
    _rooms: asyncio.Semaphore = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._rooms = asyncio.Semaphore(self.rooms)

    async def work(self, pages: Pages, *aides: Coroutine[Any, Any, None]) -> None:
        """Return when every segment is done, by this process or others, or the crew is stopped.

        What fails here and not at DynamoDB, or for good there, stops it as well; see `check`.

        Args:
            pages: What is done with a segment.
            aides: What goes on beside the workers and ends with them.
        """
        with first_error():
            async with asyncio.TaskGroup() as group:
                beside = [group.create_task(self._beside(aide)) for aide in aides]
                await self._work_all(pages)
                for aide in beside:
                    aide.cancel()

    def check(self) -> None:
        """Raise what has stopped the crew, if anything has; its segments are given back by then."""
        if self._failure is not None:
            raise self._failure

    async def _beside(self, aide: Coroutine[Any, Any, None]) -> None:
        with self._stopped_by_failures():
            await aide

    @contextmanager
    def _stopped_by_failures(self) -> Iterator[None]:
        """Let a failure stop the crew in an orderly way, so that its segments are free at once.

        Not where it must not touch them any more, nor where it hardly could.
        """
        try:
            with leaving():
                yield
        except (MigrationMismatchError, RetryableError):
            raise
        except Exception as error:  # noqa: BLE001 - also of an observer, and raised by `check`
            self._failure = self._failure or error
            self.stopping.set()

    async def _work_all(self, pages: Pages) -> None:
        number = min(self.most_open, self.board.total_segments)
        with first_error():
            async with asyncio.TaskGroup() as group:
                workers = [group.create_task(self._work_segments(pages)) for _ in range(number)]
                ending = group.create_task(self._end(workers))
                await asyncio.wait(workers)
                ending.cancel()

    async def _end(self, workers: list[asyncio.Task[None]]) -> None:
        """After a stop, give the workers some time to finish their pages."""
        await self.stopping.wait()
        await self.clock.sleep(_STOP_SECONDS)
        for worker in workers:
            worker.cancel()

    async def _work_segments(self, pages: Pages) -> None:
        room = Room(self._rooms)
        while True:
            async with room:
                if not self.stopping.is_set() and (segment := await self.board.take()):
                    await self._work_segment(Held(segment, self.board, self.clock), room, pages)
                    continue
            if self.stopping.is_set() or not self.board.others_at_work():
                return
            await self.clock.sleep(_POLL_SECONDS)

    async def _work_segment(self, held: Held, room: Room, pages: Pages) -> None:
        with self._stopped_by_failures():
            await self._work_held(held, room, pages)
        if self._failure is not None:
            with suppress(Exception):
                await held.give_back()

    async def _work_held(self, held: Held, room: Room, pages: Pages) -> None:
        try:
            await pages(held, room)
        except LeaseLostError:
            _log.warning(
                "segment taken over by another process", extra={"segment": held.segment.number}
            )
            self.board.mourn(held.segment)
        except asyncio.CancelledError:
            if self.stopping.is_set():
                with suppress(DualTableError):  # a record was on its way when it was cancelled
                    await held.give_back()
            raise
