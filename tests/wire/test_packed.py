"""Items ready to be sent: nothing is lost by packing, and nothing too large gets past."""

from __future__ import annotations

from hypothesis import given
from strategies import items

from dualtable._wire import codec
from dualtable._wire.packed import PackedItem, batch_write_units
from dualtable._wire.sizes import item_bytes


@given(items)
def test_packing_keeps_the_item(item: dict[str, object]) -> None:
    """What is unpacked for a single put is what was packed."""
    wire = codec.encode(item)
    packed = PackedItem.of(wire)
    assert packed.item() == wire
    assert list(packed.names) == sorted(wire)
    assert packed.size() == item_bytes(wire)


@given(items)
def test_what_is_too_large_is_never_ruled_out(item: dict[str, object]) -> None:
    """The quick look may call an item too large that is not, but not the other way."""
    packed = PackedItem.of(codec.encode(item))
    assert packed.json_bytes() >= packed.size()


def test_estimated_write_units() -> None:
    """Items of one kind cost by their length; no items cost nothing."""
    packed = [
        PackedItem.of(codec.encode({"id": "o-1", "text": "x" * size})) for size in (100, 3000, 900)
    ]
    assert batch_write_units(packed[1:]) == 3 + 1
    assert batch_write_units([]) == 0


def test_estimated_write_units_of_a_mixed_batch() -> None:
    """A small item of another kind, first in the batch, does not spoil the estimate."""
    for other in ({"id": "o-1", "a": True, "b": None}, {"id": "o-1", "a long name": 1, "c": 123}):
        batch = [other] + [{"id": f"o-{n}", "text": "x" * 3000} for n in range(24)]
        assert (
            batch_write_units([PackedItem.of(codec.encode(item)) for item in batch]) == 1 + 24 * 3
        )
