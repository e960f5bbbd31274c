"""How long something lasts, in words."""

from __future__ import annotations

import pytest

from dualtable._clock import in_words, moment


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.4, "0.4 s"),
        (42.4, "42 s"),
        (120, "120 s"),
        (121, "2 min 1 s"),
        (900, "15 min"),
        (3_600, "1 h"),
        (7_265, "2 h 1 min"),
        (86_400 + 59, "1 day"),
        (4_329_192, "50 days 2 h"),
        (86_400 * 1_200, "1,200 days"),
    ],
)
def test_a_person_reads_it_at_a_glance(seconds: float, words: str) -> None:
    """Nobody reckons in his head what 4,329,192 s are."""
    assert in_words(seconds) == words


def test_a_moment_is_said_in_the_time_that_all_machines_share() -> None:
    """Whoever reads it may sit in another zone than whoever wrote it."""
    assert moment(1_800_000_000) == "2027-01-15 08:00 UTC"
