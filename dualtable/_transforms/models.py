"""Items as attrs classes, for transforms and for the repository.

The rule: what is written reads back as it was: the same class with equal fields, all the way down,
or it is an error before it is sent. The exceptions are equal all the same: a number, of which a
table has but one kind, and a set that is read as a frozenset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import partial
from types import UnionType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from dualtable._transforms.converter import check_class, structure, unstructure
from dualtable._transforms.fields import difference, members_of
from dualtable._transforms.unions import teller
from dualtable._wire import codec
from dualtable._wire.types import Item, Key
from dualtable.errors import InvalidItemError, TransformError

if TYPE_CHECKING:  # without a model it is items; before Python 3.13 only checkers know defaults
    from typing_extensions import TypeVar as TypeVarWithDefault

    Model = TypeVarWithDefault("Model", default=Item)
else:
    Model = TypeVar("Model")
Old = TypeVar("Old")
New = TypeVar("New")


@attrs.frozen
class Form(Generic[Model]):
    """How items look to the caller of a repository."""

    load: Callable[[Item], Model]
    dump: Callable[[Model], Item]


def _plain(item: Any) -> Item:
    if not isinstance(item, Mapping):
        raise InvalidItemError(f"an item must be a dict, not {type(item).__name__}")
    return item  # type: ignore[return-value] # a mapping of another class is encoded as well


PLAIN: Form[Item] = Form(load=lambda item: item, dump=_plain)
"""As dicts."""


def form_of(model: type[Model] | UnionType) -> Form[Model]:
    """Return the form of items that are instances of an attrs class, or of one of several.

    Raises:
        InvalidItemError: `model` is no attrs class and no union of them.
    """
    check_model(model)
    return Form(load=partial(from_item, model), dump=partial(to_item, model))


def to_item(model: Any, instance: Any) -> Item:
    """Return the plain item of an instance of an attrs class.

    Raises:
        InvalidItemError: It is no instance of just this class (a subclass may have fields that
            could not be read back), a field holds what its type does not promise, or something
            would not read back as it is.
    """
    if type(instance) not in members_of(model):
        raise InvalidItemError(f"expected a {name_of(model)}, not a {type(instance).__name__}")
    try:
        item = unstructure(instance)
        back = structure(model, item if _is_plain(item) else codec.decode(codec.encode(item)))
    except InvalidItemError as error:
        raise InvalidItemError(f"the {type(instance).__name__} is no item: {error}") from None
    found = difference(instance, back)
    if found is not None:
        raise InvalidItemError(
            f"the {type(instance).__name__} is no item: {found.how} @ ${found.path}"
        )
    return item


def _is_plain(value: Any) -> bool:
    """Tell whether a value comes off the wire as it went, so that there is no need to try."""
    kind = type(value)
    if kind is dict:
        return all(map(_is_plain, value.values()))
    return all(map(_is_plain, value)) if kind is list else kind in _PLAIN_TYPES


_PLAIN_TYPES = frozenset({str, int, Decimal, bool, type(None), bytes, set})


def from_item(model: Any, item: Mapping[str, Any]) -> Any:
    """Return the instance of an attrs class that an item stands for.

    Raises:
        InvalidItemError: The item does not fit the class; the message has the path of each misfit.
    """
    try:
        return structure(model, item)
    except InvalidItemError as error:
        raise InvalidItemError(f"the item is no {name_of(model)}: {error}") from None


def name_of(model: Any) -> str:
    """Return what a class or a union of classes is called in messages."""
    return " | ".join(cls.__name__ for cls in members_of(model))


def check_model(model: Any) -> None:
    """Raise `InvalidItemError` for what is no attrs class and no union of some, or cannot be used.

    Classes cannot be used where a type is out of reach or none that an item can hold, or where two
    of a union are not told apart.
    """
    classes = members_of(model)
    if not all(isinstance(cls, type) and attrs.has(cls) for cls in classes):
        raise InvalidItemError(f"model={model!r} must be an attrs class, or a union of some")
    for cls in classes:
        check_class(cls)
    teller(classes)


def _is_model(_instance: object, _field: object, value: Any) -> None:
    check_model(value)


@attrs.frozen(repr=False)
class ModelTransform(Generic[Old, New]):
    """A transform between attrs classes: one for the old items, one for the new.

    Args:
        old: The class of the old items. Every attribute that they have must be a field of it. Where
            the table holds several kinds of items: a union of classes, such as ``Meta | Values``.
        new: The class of the new items, or a union likewise.
        upgrade: Makes a new instance of an old one; several of them, or None to leave it out.
        downgrade: The way back, where there is one, for `backward`.
        old_key: Leads from a new key to the old one; needed where `upgrade` changes the key.
        new_key: Leads from an old key to the new one; needed where there is an `old_key` and the
            migration is to be reversed.

    Raises:
        InvalidItemError: `old` or `new` is no attrs class and no union of them, two classes of a
            union cannot be told apart, or a field has a type that no item can hold.

    Example:
        >>> from attrs import frozen
        >>> from dualtable import ModelTransform
        >>> @frozen
        ... class OldOrder:
        ...     id: str
        ...     total: str
        >>> @frozen
        ... class Order:
        ...     id: str
        ...     total: int
        >>> transform = ModelTransform(OldOrder, Order, lambda o: Order(o.id, int(o.total)))
        >>> transform.forward({"id": "o-1", "total": "12"})
        {'id': 'o-1', 'total': 12}
    """

    old: type[Old] | UnionType = attrs.field(validator=_is_model)
    new: type[New] | UnionType = attrs.field(validator=_is_model)
    upgrade: Callable[[Old], New | Iterable[New] | None]
    downgrade: Callable[[New], Old] | None = attrs.field(default=None, kw_only=True)
    _old_key: Callable[[Key], Key | None] | None = attrs.field(
        default=None, kw_only=True, alias="old_key"
    )
    _new_key: Callable[[Key], Key | None] | None = attrs.field(
        default=None, kw_only=True, alias="new_key"
    )

    def forward(self, item: Item) -> Item | list[Item] | None:
        """Return the new item, a list of them, or None."""
        result = self.upgrade(from_item(self.old, item))
        if result is None:
            return None
        if isinstance(result, self.new):
            return to_item(self.new, result)
        if not isinstance(result, Iterable):
            raise TransformError(
                f"{self!r} made a {type(result).__name__}, not a {name_of(self.new)}"
            )
        return [to_item(self.new, each) for each in result]

    def backward(self, item: Item) -> Item:
        """Return the old item of a new one.

        Raises:
            TransformError: There is no `downgrade`.
        """
        if self.downgrade is None:
            raise TransformError(f"{self!r} cannot be undone; give it a downgrade")
        return to_item(self.old, self.downgrade(from_item(self.new, item)))

    def no_way_back(self) -> str | None:
        """Say that there is no `downgrade`."""
        return None if self.downgrade is not None else f"{self!r} has no downgrade="

    def old_key(self, new_key: Key) -> Key | None:
        """Return the key of the old item that yields `new_key`."""
        return new_key if self._old_key is None else self._old_key(new_key)

    def new_key(self, old_key: Key) -> Key | None:
        """Return the key of the new item that `old_key` becomes."""
        return old_key if self._new_key is None else self._new_key(old_key)

    def no_new_key(self) -> str | None:
        """Say that there is an `old_key` and no `new_key`."""
        one_way = self._old_key is not None and self._new_key is None
        return f"{self!r} has an old_key= and no new_key=" if one_way else None

    def old_name(self, name: str) -> str | None:
        """Return the name of a key attribute as it is, unless there is an `old_key`."""
        return name if self._old_key is None else None

    def __repr__(self) -> str:
        return f"ModelTransform({name_of(self.old)}, {name_of(self.new)})"
