"""Who is at work, as somebody hears it who comes from elsewhere; no clock of others decides."""

from __future__ import annotations

import attrs
import pytest
from clocks import HandClock

from dualtable._control.control_table import Control
from dualtable._control.run_records import Run, Word
from dualtable._sharing.heard import at_work, heard
from dualtable._sharing.membership import end_run
from dualtable.testing import MemoryGateway

RUN = Run(id="r", fingerprint="f", total_segments=4, old="o", new="n")
CLOCKS = pytest.mark.parametrize("ahead", [-3_600.0, -30.0, 0.0, 30.0, 3_600.0])


async def with_word(clock: HandClock, ahead: float) -> Control:
    """A run with the word of a migrator whose clock is so far ahead."""
    control = Control(MemoryGateway(), "control", "shop")
    await control.ensure_table()
    await control.begin(RUN)
    given = clock.now() + ahead
    await control.of(RUN).give_word(Word("other", given, given + 30, run=RUN.id))
    return control


@attrs.define
class Speaking(HandClock):
    """While somebody sleeps, the other one gives a further word."""

    control: Control | None = None

    async def sleep(self, seconds: float) -> None:
        await HandClock.sleep(self, seconds)
        if self.control is not None:
            (word,) = await self.control.of(RUN).words()
            await self.control.of(RUN).give_word(attrs.evolve(word, number=word.number + 1))


@CLOCKS
async def test_who_speaks_is_at_work(ahead: float) -> None:
    """However old, or however far in the future, its words say that they are."""
    clock = Speaking()
    clock.control = control = await with_word(clock, ahead)
    assert [word.migrator for word in await at_work(control.of(RUN), clock)] == ["other"]
    (other,) = await heard(control.of(RUN), clock)
    assert (other.at_work, other.silent_seconds < 15) == (True, True)


@CLOCKS
async def test_who_is_silent_is_not(ahead: float) -> None:
    """He has half of a word's time; the status has no such patience, and says what it sees."""
    clock = HandClock()
    control = await with_word(clock, ahead)
    clock.move(60)
    assert await at_work(control.of(RUN), clock) == []
    assert clock.seconds == 1_075
    (other,) = await heard(control.of(RUN), clock)
    assert not other.at_work
    assert clock.seconds <= 1_079


async def test_a_word_of_long_ago_keeps_nobody_waiting() -> None:
    """No clock is a day off."""
    clock = HandClock()
    control = await with_word(clock, 0.0)
    clock.move(100_000)
    assert [each.at_work for each in await heard(control.of(RUN), clock)] == [False]
    assert clock.seconds == 101_000


@CLOCKS
async def test_who_ends_a_run_outlasts_each_word(ahead: float) -> None:
    """Its migrator may go by it still, by a clock of his own."""
    clock = HandClock()
    control = await with_word(clock, ahead)
    await end_run(control, RUN, clock)
    assert clock.seconds >= 1_030
    assert await control.run() is None
