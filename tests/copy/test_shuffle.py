"""How many copies each key range is sent, tick by tick."""

from __future__ import annotations

import pytest

from dualtable._copy.shuffle import Copy, Outgoing, RangePace
from dualtable._dynamodb.gateway import Insert, Outcome
from dualtable._wire.packed import PackedItem

PARTITION = 100.0  # copies in a tick


def page(pace: RangePace, copies: int) -> Outgoing:
    """Return a page with so many copies to send."""
    out = Outgoing(0, pace, on_slow=lambda: None)
    items = [{"id": {"S": str(n)}} for n in range(copies)]
    out.load([Copy(item, item, PackedItem.of(item)) for item in items])
    return out


def answer(out: Outgoing, *outcomes: Outcome) -> None:
    """Send a copy for each outcome, and take note of it."""
    for outcome in outcomes:
        out.settle(out.waiting.pop(), Insert(outcome), 1.0)


@pytest.mark.parametrize(("ticks", "sent"), [(1, 8), (1, 1), (5, 1), (40, 2)])
def test_a_range_that_refuses_is_sent_less_than_it_was_sent(ticks: int, sent: int) -> None:
    """One of hundreds on a partition sends it little: less than the most there may be is no less.

    By a fifth less than a whole partition each time, it took a dozen refusals to feel the first.
    """
    pace = RangePace()
    out = page(pace, 10)
    for _ in range(ticks - 1):
        out.tick(PARTITION)
    answer(out, *[Outcome.WRITTEN] * (sent - 1), Outcome.RETRY)
    out.tick(PARTITION)
    assert pace.copies == pytest.approx(0.8 * sent / ticks)


def test_a_range_at_its_pace_is_sent_a_fifth_less() -> None:
    """What waits has gathered meanwhile, and goes at once; the pace is what counts then."""
    pace = RangePace(copies=2.0)
    out = page(pace, 20)
    answer(out, *[Outcome.WRITTEN] * 7, Outcome.RETRY)
    out.tick(PARTITION)
    assert pace.copies == pytest.approx(1.6)


def test_a_range_comes_back_by_little_steps() -> None:
    """A fiftieth of what a partition takes, with each tick in which it takes something."""
    pace = RangePace(copies=2.0)
    out = page(pace, 20)
    answer(out, Outcome.WRITTEN)
    out.tick(PARTITION)
    assert pace.copies == pytest.approx(4.0)
    out.tick(PARTITION)  # nothing was sent
    assert pace.copies == pytest.approx(4.0)


def test_a_long_rest_counts_as_ten_seconds() -> None:
    """Who was sent nothing for minutes was not asked; the first refusal tells little of it."""
    pace = RangePace()
    out = page(pace, 10)
    for _ in range(6_000):
        out.tick(PARTITION)
    answer(out, Outcome.RETRY)
    out.tick(PARTITION)
    assert pace.copies == pytest.approx(0.8 / 100)
