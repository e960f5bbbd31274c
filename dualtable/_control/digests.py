"""What was copied of a segment, in a few numbers that do not depend on the order.

The rule: the digest of an old item is that of what it yields, so a verification that finds another
one knows that the old item has changed since its copy, as far as that matters. Each segment has
several digests, by key, so that it also knows about where.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from struct import Struct
from typing import Self

import attrs

from dualtable._wire.json import from_json, to_sorted_json
from dualtable._wire.packed import PackedItem
from dualtable._wire.types import WireKey

BUCKETS = 16
"""Digests of a segment."""

_MASK = 2**64 - 1
_STORED = Struct(f">{BUCKETS}Q")
_LOST = b"?"  # as it is stored
_ESCAPE, _MAP = b"\\", b'"M":'  # what may be spelled otherwise: a text, and a map's order
_SET_BEGINS = b'S":["'  # a set, or an attribute whose name ends so with a list that nobody writes
_MEMBERS = re.compile(rb'(?:"(?:[^"\\]|\\.)*",?)+')
_MEMBER = re.compile(rb'"(?:[^"\\]|\\.)*"')


@attrs.frozen
class Digests:
    """A sum for each bucket of keys; nothing was summed up where there are none.

    Where they are `unknown` something is missing in them, and they stay so, whatever is added.
    """

    sums: tuple[int, ...] = ()
    unknown: bool = False

    @classmethod
    def lost(cls) -> Self:
        """Return those of which nobody knows any more what they are the sum of."""
        return cls(unknown=True)

    def __add__(self, other: Self) -> Self:
        """Add the sums."""
        if self.unknown or other.unknown:
            return self.lost()
        if not self.sums or not other.sums:
            return self if self.sums else other
        pairs = zip(self.sums, other.sums, strict=True)
        return type(self)(tuple((one + another) & _MASK for one, another in pairs))

    def __sub__(self, other: Self) -> Self:
        """Take one from the other, so that what is added to the result is the first again."""
        pairs = zip(self.sums, other.sums, strict=True)
        return type(self)(tuple((one - another) & _MASK for one, another in pairs))

    def differing(self, other: Self) -> set[int]:
        """Return the buckets in which they differ; none where either is unknown."""
        if not self.sums or not other.sums:
            return set()
        pairs = zip(self.sums, other.sums, strict=True)
        return {bucket for bucket, (one, another) in enumerate(pairs) if one != another}

    def to_bytes(self) -> bytes:
        if self.unknown:
            return _LOST
        return _STORED.pack(*self.sums) if self.sums else b""

    @classmethod
    def from_bytes(cls, stored: bytes) -> Self:
        if stored == _LOST:
            return cls.lost()
        return cls(_STORED.unpack(stored) if stored else ())


def digests(copies: Iterable[tuple[WireKey, PackedItem, bytes]]) -> Digests:
    """Return the digests of some new items, each with its key, and as it is in order."""
    sums = [0] * BUCKETS
    for key, packed, text in copies:
        sums[bucket_of(key)] += _digest_of(packed, text)
    return Digests(tuple(sums))


def add(sums: list[int], key: WireKey, packed: PackedItem) -> None:
    """Add one new item to the sums."""
    sums[bucket_of(key)] += digest_of(packed)


def bucket_of(key: WireKey) -> int:
    """Return the bucket of a key in its canonical form, in whatever order its names come."""
    crc = 0
    for name in sorted(key):
        for content in key[name].values():
            crc = zlib.crc32(content.encode(), crc)
    return crc % BUCKETS


def digest_of(packed: PackedItem) -> int:
    """Return a number that is the same however an item is spelled, and its sets are ordered."""
    return _digest_of(packed, in_order(packed))


def in_order(packed: PackedItem) -> bytes:
    """Return an item's values as JSON that is the same however it came, but for sets."""
    values = packed.values
    if _ESCAPE in values or _MAP in values:
        return to_sorted_json(from_json(values))
    return values


def _digest_of(packed: PackedItem, values: bytes) -> int:
    crc = zlib.crc32(packed.shape.joined)
    if values.find(b"[", 1) < 0:  # nothing but the list of values: quicker to see than a set
        return zlib.crc32(values, crc)
    for part in _sets_in_order(values):
        crc = zlib.crc32(part, crc)
    return crc


def _sets_in_order(values: bytes) -> Iterator[bytes]:
    """Yield JSON in parts, with the members of each set in order."""
    done = 0
    while (found := values.find(_SET_BEGINS, done)) >= 0:
        start = found + len(_SET_BEGINS) - 1
        members = _MEMBERS.match(values, start)
        yield values[done:start]
        if members is None:  # never in what we write
            done = start
            break
        yield from sorted(_MEMBER.findall(members.group()))
        done = members.end()
    yield values[done:]
