"""Keys, sizes, capacity units and the library's own marks, all in wire form.

The rule: whatever a table would refuse about one item is found here, by name, before it is sent.

Sizes and units:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

from __future__ import annotations

from collections.abc import Mapping

from dualtable._wire import codec
from dualtable._wire.json import to_json
from dualtable._wire.keys import check_index_keys, key_of
from dualtable._wire.layouts import Layout
from dualtable._wire.sizes import MAX_ITEM_BYTES, item_bytes
from dualtable._wire.types import WireKey, WireValue
from dualtable.errors import InvalidItemError


def check_item(item: Mapping[str, WireValue], layout: Layout) -> WireKey:
    """Check what a table refuses about an item: key, index keys, size. Return its key."""
    key = check_keys(item, layout)
    check_size(item, key, len(to_json(item)))
    return key


def check_keys(item: Mapping[str, WireValue], layout: Layout) -> WireKey:
    """Check the key and the index keys of an item. Return its key."""
    key = key_of(item, layout.key, layout.table)
    for name, index in layout.indexes.items():
        check_index_keys(item, name, index.key)
    return key


def check_size(item: Mapping[str, WireValue], key: WireKey, json_bytes: int) -> None:
    """Check that DynamoDB allows an item's size; the key is for the error.

    JSON has no fewer bytes than DynamoDB counts, and its length costs a fifth: most are ruled out.
    """
    if json_bytes > MAX_ITEM_BYTES and (size := item_bytes(item)) > MAX_ITEM_BYTES:
        raise InvalidItemError(
            f"the item has {size:,} bytes, DynamoDB allows {MAX_ITEM_BYTES:,}; make it smaller",
            key=codec.decode(key),
        )
