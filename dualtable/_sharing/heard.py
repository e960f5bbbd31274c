"""Who is at work, for somebody who comes from elsewhere and has seen nobody yet.

The rule: whoever is heard to give a further word is at work, whatever any clock says; clocks only
tell whether it is worth waiting for one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from dualtable._clock import Clock
from dualtable._control.run_records import RunRecords, Word

_NEXT_SHARE = 1 / 2
"""Of a word's time: whoever is at work gives the next one in a third of it, and it arrives."""

_LOOKS = 5
_SHORT_SECONDS = 4.0
"""In so long, whoever is at work in a fleet of up to 200 gives one word or two."""

_CLOCKS_DIFFER_SECONDS = 1.0  # without any doubt as to which of two is wrong
_LONG_AGO_SECONDS = 86_400.0


@attrs.frozen
class Heard:
    """What was heard of a migrator.

    Attributes:
        word: Its last word.
        at_work: Whether it seems to be at work.
        silent_seconds: How old its word is, as far as one can tell.
    """

    word: Word
    at_work: bool
    silent_seconds: float


async def at_work(records: RunRecords, clock: Clock) -> list[Word]:
    """Return words of some who are at work on a run, and nothing where nobody is.

    It takes some seconds where there are words, and half of a word's time where none follows.
    """
    first = {word.migrator: word for word in await records.words()}
    seconds = max((word.seconds for word in first.values()), default=0.0)
    for _ in range(_LOOKS if first else 0):
        await clock.sleep(seconds * _NEXT_SHARE / _LOOKS)
        if given := [w for w in await records.words() if w != first.get(w.migrator)]:
            return given
    return []


async def heard(records: RunRecords, clock: Clock) -> Sequence[Heard]:
    """Return what is heard of everybody who has not ended in an orderly way.

    A word that seems fresh is believed; for another one it waits some seconds, in case that clocks
    differ.
    """
    words = {word.migrator: word for word in await records.words()}
    found = {name: _by_clock(word, clock.now()) for name, word in words.items()}
    waits = min([_SHORT_SECONDS, *(word.seconds * _NEXT_SHARE for word in words.values())])
    for _ in range(_LOOKS):
        if not any(map(_is_doubtful, found.values())):
            break
        await clock.sleep(waits / _LOOKS)
        found = _by_ear({word.migrator: word for word in await records.words()}, found)
    return list(found.values())


def _by_clock(word: Word, now: float) -> Heard:
    age = now - word.given
    fresh = -_CLOCKS_DIFFER_SECONDS < age < word.seconds * _NEXT_SHARE
    return Heard(word, fresh, max(0.0, age))


def _is_doubtful(heard: Heard) -> bool:
    return not heard.at_work and heard.silent_seconds < _LONG_AGO_SECONDS


def _by_ear(words: Mapping[str, Word], before: Mapping[str, Heard]) -> dict[str, Heard]:
    """Return what is known with a further look; who has ended meanwhile is not listed."""
    return {
        name: before[name]
        if name in before and before[name].word == word
        else Heard(word, at_work=True, silent_seconds=0.0)
        for name, word in words.items()
    }
