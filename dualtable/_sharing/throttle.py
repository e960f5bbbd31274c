"""A callable of the user's that lets a migrator stand still: gh-ost calls it throttle control.

The rule: it goes on only where the callable has said so lately. An error of it, whatever its kind,
an answer that is none, or no answer pauses as well, and the reason says which; it is asked again.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias

import attrs

from dualtable._clock import Clock
from dualtable._control.capacity import Paces
from dualtable._transforms.guarded import is_async, told
from dualtable.errors import InvalidSettingError

_log = logging.getLogger("dualtable.sharing")

Answer: TypeAlias = bool | str | None
Throttle: TypeAlias = Callable[[], Answer | Awaitable[Answer]]
"""Says whether to stand still: True, or the reason; False, None or no text to go on."""

_ASK_SECONDS = 2.0
_PATIENCE_SECONDS = 10.0
_MOST_REASON = 200  # characters


def checked(hook: Throttle | None) -> Throttle | None:
    """Return a throttle.

    Raises:
        InvalidSettingError: It cannot be called.
    """
    if hook is not None and not callable(hook):
        raise InvalidSettingError(
            f"throttle must be a callable that says whether to pause, not a {type(hook).__name__}"
        )
    return hook


@attrs.define(eq=False)
class Throttling:
    """Asks the callable every two seconds, and goes by what it says.

    Args:
        hook: The callable; one that is not asynchronous is called in a thread of its own. None
            never pauses.
        clock: Where time comes from.
        paces: What stands still.
        patience_seconds: How long an answer may take.
        reason: Why it stands still; nothing where it goes on.
    """

    hook: Throttle | None
    clock: Clock
    paces: Paces
    patience_seconds: float = _PATIENCE_SECONDS
    reason: str = ""
    _asking: asyncio.Future[str] | None = attrs.field(init=False, default=None)

    async def follow(self) -> None:
        """Ask until cancelled."""
        try:
            while self.hook is not None:
                await self.clock.sleep(_ASK_SECONDS)
                await self.ask()
        finally:
            if self._asking is not None:
                self._asking.cancel()

    async def ask(self) -> None:
        """Ask once, and pause or go on."""
        if self.hook is None:
            return
        before, self.reason = self.reason, await self._answer(self.hook)
        if self.reason != before:
            self.paces.hold(bool(self.reason))
            _log.warning("paused" if self.reason else "goes on", extra={"reason": self.reason})

    async def _answer(self, hook: Throttle) -> str:
        """Return why to stand still; one call at a time, however long it takes."""
        if self._asking is None:
            self._asking = asyncio.ensure_future(_reason(hook))
        done, _ = await asyncio.wait([self._asking], timeout=self.patience_seconds)
        if not done:
            return f"its throttle has not answered for {self.patience_seconds:g} s"
        asked, self._asking = self._asking, None
        return _raised(asyncio.CancelledError()) if asked.cancelled() else asked.result()


async def _reason(hook: Throttle) -> str:
    """Call the hook; whatever it does but to say that all is well is a reason."""
    try:
        answer = await (_called(hook) if is_async(hook) else _in_thread(hook))
    except (asyncio.CancelledError, KeyboardInterrupt):  # of this task; its end is looked at
        raise
    except BaseException as error:  # noqa: BLE001 - it is the user's code
        return _raised(error)
    if isinstance(answer, bool | None):
        return "its throttle says so" if answer else ""
    if isinstance(answer, str):
        return answer[:_MOST_REASON]
    return f"its throttle returned a {type(answer).__name__}, not True, False, None or a reason"


def _raised(error: BaseException) -> str:
    return f"its throttle raised {told(error)}"


async def _called(hook: Throttle) -> object:
    answer = hook()
    return await answer if inspect.isawaitable(answer) else answer


async def _in_thread(hook: Throttle) -> object:
    """Call it in a thread that nobody waits for in the end, should it never return."""
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[object] = loop.create_future()

    def settle(answer: object) -> None:
        if not answered.done():
            answered.set_result(answer)

    def work() -> None:
        answer: object
        try:
            answer = hook()
        except BaseException as error:  # noqa: BLE001 - a future does not take just any
            answer = _raised(error)
        with suppress(RuntimeError):  # the loop may have gone
            loop.call_soon_threadsafe(settle, answer)

    threading.Thread(target=work, name="dualtable throttle", daemon=True).start()
    answer = await answered
    return await answer if inspect.isawaitable(answer) else answer
