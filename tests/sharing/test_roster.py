"""Who is at work, judged by what one has seen, and which part of a ceiling each one takes."""

from __future__ import annotations

import random

import attrs
import pytest

from dualtable._control.run_records import Word
from dualtable._sharing.roster import Roster
from dualtable._sharing.shares import ALL, Part, fair_parts, next_part, wanted_part

WORD = Word("other", given=1_800_000_000.0, until=1_800_000_030.0, number=1)


def later(word: Word) -> Word:
    return attrs.evolve(word, number=word.number + 1)


@pytest.mark.parametrize("ahead", [-30.0, 0.0, 30.0, 1e6])
def test_no_clock_but_ones_own_decides_who_is_gone(ahead: float) -> None:
    """A word's times are by another clock; how long it stays the last one is by one's own."""
    roster = Roster("me")
    word = attrs.evolve(WORD, given=WORD.given + ahead, until=WORD.until + ahead)
    roster.note([word], 100.0, 100.0)
    assert not roster.is_gone("other")  # however old it says that it is
    roster.note([word], 129.0, 129.0)
    assert not roster.is_gone("other")
    roster.note([later(word)], 129.5, 129.5)
    roster.note([later(word)], 158.0, 158.0)
    assert not roster.is_gone("other")
    assert roster.seconds_left(["other"]) == 1.5
    roster.note([later(word)], 159.5, 159.5)
    assert roster.is_gone("other")
    assert not roster.is_long_gone("other")
    roster.note([later(word)], 189.5, 189.5)
    assert roster.is_long_gone("other")


def test_who_was_frozen_looks_again_before_others_are_gone() -> None:
    """Time in which nobody looked proves nothing."""
    roster = Roster("me")
    roster.note([WORD], 100.0, 100.0)  # and then an hour passes here
    assert not roster.is_gone("other")
    roster.note([later(WORD)], 3_700.0, 3_700.0)
    assert not roster.is_gone("other")


def test_who_was_frozen_in_the_middle_of_a_look_has_seen_what_was_before() -> None:
    """What was read before the freeze tells nothing of the time of it."""
    roster = Roster("me")
    roster.note([WORD], 100.0, 100.0)
    roster.note([WORD], 102.0, 3_700.0)  # an hour between the answer and the note
    assert not roster.is_gone("other")
    roster.note([later(WORD)], 3_700.0, 7_200.0)
    roster.note([later(WORD)], 7_201.0, 7_201.0)
    assert not roster.is_gone("other")
    roster.note([later(WORD)], 7_230.0, 7_230.0)
    assert roster.is_gone("other")


def test_who_has_left_is_gone_and_oneself_never() -> None:
    """An owner without a word is not at work; one's own segments are not taken from oneself."""
    roster = Roster("me")
    roster.note([WORD], 1.0, 1.0)
    assert roster.knows("other")
    roster.note([], 2.0, 2.0)
    assert not roster.knows("other")
    assert roster.is_gone("other")
    assert roster.knows("me")
    assert not roster.is_gone("me")
    assert roster.seconds_left(["other", "me"]) is None


# -- parts -----------------------------------------------------------------------------------------


def test_parts_come_to_the_whole_whatever_is_wanted() -> None:
    """And nobody gets less than another who wants no more."""
    chance = random.Random(5)
    for _ in range(200):
        wanted = [chance.choice([0.0, 0.01, chance.random(), ALL]) for _ in range(20)]
        parts = fair_parts(wanted)
        assert sum(parts) == pytest.approx(ALL)
        for part, want in zip(parts, wanted, strict=True):
            assert all(
                part >= other - 1e-9 or want < w for other, w in zip(parts, wanted, strict=True)
            )


def settle(parts: list[Part], rounds: int, chance: random.Random) -> float:
    """Let everybody count again, in any order; return the most that all ever held together."""
    most = 0.0
    for _ in range(rounds):
        for n in chance.sample(range(len(parts)), len(parts)):
            held = next_part(parts[n], parts[:n] + parts[n + 1 :])
            parts[n] = attrs.evolve(parts[n], held=held)
            most = max(most, sum(part.held for part in parts))
    return most


def test_no_more_than_the_whole_is_ever_held() -> None:
    """Who joins waits for what others give up; who dies leaves it; who idles keeps little."""
    chance = random.Random(3)
    parts = [Part(ALL, ALL)]
    for _ in range(30):
        parts.append(Part(0.0, ALL))
        assert settle(parts, 2, chance) <= ALL + 1e-9
        assert sum(part.held for part in parts) == pytest.approx(ALL)
    assert all(part.held == pytest.approx(1 / 31) for part in parts)
    del parts[4:9]
    assert settle(parts, 1, chance) <= ALL + 1e-9
    assert sum(part.held for part in parts) == pytest.approx(ALL)
    parts[:20] = [Part(part.held, 0.001) for part in parts[:20]]
    assert settle(parts, 3, chance) <= ALL + 1e-9
    assert all(part.held == pytest.approx(0.001, abs=1e-6) for part in parts[:20])
    assert all(part.held > 0.15 for part in parts[20:])


def test_all_at_once_take_no_more_than_is_free() -> None:
    """Two that count at the same moment see the same, and divide what nobody has alike."""
    parts = [Part(0.2, ALL), Part(0.2, ALL), Part(0.0, ALL), Part(0.1, 0.1)]
    taken = [next_part(part, parts[:n] + parts[n + 1 :]) for n, part in enumerate(parts)]
    assert sum(taken) == pytest.approx(ALL)


def test_a_part_follows_use() -> None:
    """Full use asks for more; none at all keeps a little; between, what was used and some more."""
    assert wanted_part(0.1, 1.0, 0.1, 10) == ALL
    assert wanted_part(0.0, 1.0, 0.1, 10) == ALL
    assert wanted_part(0.1, 0.5, 0.0, 10) == pytest.approx(0.065)
    want = ALL
    for _ in range(40):
        want = wanted_part(0.1, 0.0, want, 10)
    assert want == pytest.approx(0.005)
