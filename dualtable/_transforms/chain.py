"""Transforms one after the other.

The rule: a chain is itself a transform, and as good as the weakest of its members: it can be undone
where each of them can.
"""

from __future__ import annotations

import attrs

from dualtable._transforms.applying import (
    backward_wire,
    forward_wire,
    keeps_key,
    new_key,
    no_new_key,
    no_way_back,
    old_name,
    quick_way,
)
from dualtable._transforms.steps import Step, is_own
from dualtable._transforms.transform import AnyTransform, Outputs, Transform, as_transform
from dualtable._wire import codec
from dualtable._wire.json import draft_of, item_of
from dualtable._wire.types import Item, Key, WireItem


@attrs.frozen(init=False, repr=False)
class Chain:
    """Several transforms, one after the other; each gets what the one before it returns.

    Args:
        steps: Transforms or plain callables. A step that yields nothing ends the chain for that
            item, one that yields several passes each of them on. Without a step every item stays as
            it is, and the new table becomes a plain copy.

    Example:
        >>> from dualtable import Chain, Drop, Rename
        >>> chain = Chain(Rename("nme", "name"), Drop("legacy"))
        >>> chain.forward({"id": "o-1", "nme": "Ann", "legacy": True})
        {'id': 'o-1', 'name': 'Ann'}
        >>> chain.old_key({"id": "o-1"})
        {'id': 'o-1'}
    """

    steps: tuple[Transform, ...]
    _own_steps: tuple[Step, ...] | None = attrs.field(eq=False)  # where there are no others
    _opened: frozenset[str] = attrs.field(eq=False)  # by the own steps

    def __init__(self, *steps: AnyTransform) -> None:
        transforms = tuple(as_transform(step) for step in steps)
        own = tuple(step for step in transforms if is_own(step))
        opened: frozenset[str] = frozenset()
        for step in reversed(own):
            opened = step.opened(opened)
        self.__attrs_init__(transforms, own if len(own) == len(transforms) else None, opened)

    def forward(self, item: Item) -> Outputs:
        """Return the new item, or a list of them, or None."""
        outputs = [codec.decode(output) for output in self.forward_wire(codec.encode(item))]
        return outputs if len(outputs) > 1 else next(iter(outputs), None)

    def backward(self, item: Item) -> Item:
        """Return the old item, each step undone from the last to the first.

        Raises:
            TransformError: A step cannot be undone.
        """
        return codec.decode(self.backward_wire(codec.encode(item)))

    def no_way_back(self) -> str | None:
        """Name the first step that cannot be undone, if there is one."""
        return next(filter(None, map(no_way_back, self.steps)), None)

    def old_key(self, new_key: Key) -> Key | None:
        """Return the key of the old item, mapped back from the last step to the first."""
        key: Key | None = new_key
        for step in reversed(self.steps):
            if key is None:
                return None
            key = step.old_key(key)
        return key

    def new_key(self, old_key: Key) -> Key | None:
        """Return the key of the new item, mapped from the first step to the last."""
        key: Key | None = old_key
        for step in self.steps:
            if key is None:
                return None
            key = new_key(step, key)
        return key

    def no_new_key(self) -> str | None:
        """Name the first step that does not say what becomes of a key, if there is one."""
        return next(filter(None, map(no_new_key, self.steps)), None)

    def old_name(self, name: str) -> str | None:
        """Return what a key attribute is called in the old table, if each step says so."""
        found: str | None = name
        for step in reversed(self.steps):
            if found is None:
                return None
            found = old_name(step, found)
        return found

    def keeps_key(self, names: frozenset[str]) -> bool:
        """Tell whether each step keeps keys of these attributes."""
        return all(keeps_key(step, names) for step in self.steps)

    def forward_wire(self, item: WireItem) -> list[WireItem]:
        """Return the new items in wire form."""
        if self._own_steps is not None:
            draft = draft_of(item, self._opened)
            for own in self._own_steps:
                own.change(draft)
            return [item_of(draft, item, self._opened)]
        drafts = [item.copy()]
        for step in self.steps:
            if isinstance(step, Step) and quick_way(step) is Step.forward_wire:
                for draft in drafts:  # one copy serves them all
                    step.change(draft)
            else:
                drafts = [output for draft in drafts for output in forward_wire(step, draft)]
        return drafts

    def forward_wire_alike(self, item: WireItem) -> tuple[list[WireItem], bool] | None:
        """Return the new item, and whether it comes out again; None where that is not known.

        What own steps make is certain but for the functions that they were given. Those are called
        once more, after all have been called, in the same order and with what they were given
        before; as long as each makes the same of that, so does the chain.
        """
        if self._own_steps is None:
            return None
        draft = draft_of(item, self._opened)
        repeats = [step.change(draft) for step in self._own_steps]
        alike = all(repeat is None or repeat() for repeat in repeats)
        return [item_of(draft, item, self._opened)], alike

    def backward_wire(self, item: WireItem) -> WireItem:
        """Return the old item in wire form."""
        for step in reversed(self.steps):
            item = backward_wire(step, item)
        return item

    def __repr__(self) -> str:
        return f"Chain({', '.join(map(repr, self.steps))})"
