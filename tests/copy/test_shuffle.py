"""How much each key range is sent, tick by tick."""

from __future__ import annotations

import pytest

from dualtable._copy.shuffle import Copy, Outgoing, RangePace
from dualtable._wire.packed import PackedItem


def page(pace: RangePace, number: int) -> Outgoing:
    out = Outgoing(0, pace, on_slow=lambda: None)
    items = [{"id": {"S": str(n)}} for n in range(number)]
    out.load([Copy(item, item, PackedItem.of(item)) for item in items])
    return out


def sent(out: Outgoing, ticks: int, most: float) -> int:
    """Return how many copies may be sent in so many ticks, each as soon as it may."""
    before = len(out.waiting)
    for _ in range(ticks):
        while out.is_ready:
            out.waiting.pop()
            out.credit -= 1
        out.tick(most)
    return before - len(out.waiting)


@pytest.mark.parametrize("copies", [0.25, 0.75, 1.5, 3.9])
def test_no_part_of_a_copy_is_lost_from_tick_to_tick(copies: float) -> None:
    """One and a half a tick are fifteen in ten, also where a page is alone."""
    assert sent(page(RangePace(copies), 500), 100, most=10.0) == pytest.approx(100 * copies, abs=4)


def test_what_is_not_used_is_not_saved_up() -> None:
    """A range that was sent nothing for a while gets no burst after it."""
    out = page(RangePace(2.0), 10)
    for _ in range(100):
        out.tick(10.0)
    assert out.credit <= 3.0


def test_a_range_is_known_for_longer_than_a_low_rate_lasts() -> None:
    """The most that may be sent falls and rises with the shares of a ceiling; a range does not."""
    pace = RangePace(20.0)
    pace.taken = True
    assert pace.tick(1.0) == 1.0
    assert pace.tick(25.0) == 20.0
