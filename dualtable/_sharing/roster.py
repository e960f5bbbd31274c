"""Who is at work, as one process has seen it.

The rule: pure, and no two clocks are compared. A migrator is at work as long as one word of it
after the other is seen; it is gone when for as long as a word counts no further one has come. That
time is measured between two looks, so whoever was frozen looks again before he takes others for
gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from dualtable._control.run_records import Word

_SEEMS_ALIVE_SHARE = 1 / 3
"""Of a word's time: who is at work gives the next word sooner."""

_LONG = 2.0  # times a word's time


@attrs.frozen
class Seen:
    """A word, when it was first seen, and when it was last seen still to be the last one."""

    word: Word
    first: float
    last: float

    @property
    def quiet_seconds(self) -> float:
        """For so long nothing else has been heard of its migrator."""
        return self.last - self.first


@attrs.define(eq=False)
class Roster:
    """Who is at work beside a migrator.

    Args:
        me: Its name.
    """

    me: str
    _seen: dict[str, Seen] = attrs.field(init=False, factory=dict)

    def note(self, words: Iterable[Word], asked: float, now: float) -> None:
        """Take note of the words that there are.

        Args:
            words: As somebody has read them.
            asked: When he did, by one's own clock; they were so then, or later.
            now: The moment of this note: he may have been frozen in between.
        """
        seen = {}
        for word in words:
            before = self._seen.get(word.migrator)
            same = before is not None and before.word == word
            first = before.first if before is not None and same else now
            seen[word.migrator] = Seen(word, first, max(first, asked))
        self._seen = seen

    def __len__(self) -> int:
        return len(self._seen)

    def knows(self, migrator: str) -> bool:
        """Tell whether there is a word of a migrator."""
        return migrator == self.me or migrator in self._seen

    def is_gone(self, migrator: str) -> bool:
        """Tell whether a migrator is not at work any more; one that has left has no word."""
        seen = self._seen.get(migrator)
        quiet = seen is None or seen.quiet_seconds >= seen.word.seconds
        return quiet and migrator != self.me

    def is_long_gone(self, migrator: str) -> bool:
        """Tell whether its word may be buried: it counts no more, wherever it was given."""
        seen = self._seen.get(migrator)
        return seen is not None and seen.quiet_seconds >= seen.word.seconds * _LONG

    def seconds_left(self, migrators: Iterable[str]) -> float | None:
        """Return when the first of some will count as gone; None where all seem to be at work."""
        quiet = [self._seen[m] for m in migrators if m in self._seen]
        left = [
            max(0.0, seen.word.seconds - seen.quiet_seconds)
            for seen in quiet
            if seen.quiet_seconds > seen.word.seconds * _SEEMS_ALIVE_SHARE
        ]
        return min(left, default=None)

    def others(self, quiet_seconds: float) -> Sequence[Word]:
        """Return the words of the others that have been quiet for less than this."""
        return [
            seen.word
            for migrator, seen in self._seen.items()
            if migrator != self.me and seen.quiet_seconds < quiet_seconds
        ]
