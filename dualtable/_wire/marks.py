"""The library's own attributes in the new table: the tombstone marker and the write token.

The rule: who asks what an item of `new` is, asks its marks; nobody else knows how they look.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from dualtable._wire.types import WireItem, WireKey, WireValue
from dualtable.errors import InvalidItemError, TableMismatchError


def new_token() -> str:
    """Return a fresh write token: 96 random bits, short because every item carries one."""
    return secrets.token_urlsafe(12)


_COPIED = "copied:"
"""What the token of a copy that has been mended begins with; no `new_token` has a colon."""


@attrs.frozen
class Marks:
    """The two attributes that the library owns in the new table, by their names.

    A tombstone is the key and the tombstone marker and nothing else, so that it drops out of every
    index. The write token is on every item that a repository has written; and on a copy that has
    been put over another one, since whoever has read that one would not notice it otherwise.
    """

    tombstone: str
    token: str

    def bury(self, key: WireKey) -> WireItem:
        """Return the tombstone of a key."""
        return {**key, self.tombstone: {"BOOL": True}}

    def is_tombstone(self, item: Mapping[str, WireValue]) -> bool:
        """Tell whether the item is a tombstone."""
        return self.tombstone in item

    def stamp(self, item: WireItem, token: str) -> WireItem:
        """Return the item with a write token."""
        return {**item, self.token: {"S": token}}

    def token_of(self, item: Mapping[str, WireValue]) -> str | None:
        """Return the write token of an item; None for one that was copied, and not mended."""
        value = item.get(self.token)
        return None if value is None else str(value.get("S"))

    def copied_again(self, item: WireItem) -> WireItem:
        """Return a copy that is to be put over another one."""
        return self.stamp(item, _COPIED + new_token())

    def is_copy(self, item: Mapping[str, WireValue]) -> bool:
        """Tell whether production has neither written nor deleted the item."""
        token = self.token_of(item)
        return not self.is_tombstone(item) and (token is None or token.startswith(_COPIED))

    def strip(self, item: WireItem) -> WireItem:
        """Return a copy of the item without the library's attributes."""
        stripped = item.copy()
        stripped.pop(self.tombstone, None)
        stripped.pop(self.token, None)
        return stripped

    def check_free(self, item: Mapping[str, Any]) -> None:
        """Raise `InvalidItemError` where an item carries one of the library's names."""
        for name in (self.tombstone, self.token):
            if name in item:
                raise InvalidItemError(
                    f"{name!r} belongs to dualtable; rename the attribute, or choose another name"
                    " in Migration(tombstone_attribute=…, token_attribute=…)"
                )

    def check_keys(self, names: Iterable[str], table: str) -> None:
        """Raise `TableMismatchError` where a key is made of one of the library's attributes.

        Every write would put the item under another key, or a tombstone into an index.
        """
        for name in names:
            if name in self:
                raise TableMismatchError(
                    f"{name!r} belongs to dualtable, and is a key attribute of {table} or of one of"
                    " its indexes; choose another name in Migration(tombstone_attribute=…,"
                    " token_attribute=…)"
                )

    def __contains__(self, name: object) -> bool:
        return name in (self.tombstone, self.token)
