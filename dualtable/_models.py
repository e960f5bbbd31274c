"""Items as attrs classes, by a converter made for DynamoDB; the only module that knows cattrs.

The rule: what a class cannot hold is an error with the path to it, never a value left behind. So an
attribute that the class does not declare is refused, not ignored.

In an item, a ``datetime``, ``date`` or ``UUID`` is text, an ``Enum`` its value, ``int`` and
``float`` are numbers. A field that is None or an empty set is left out, since DynamoDB has no index
entry for the one and no place for the other; it comes back as what it was.
"""

from __future__ import annotations

import datetime
import enum
import types
import uuid
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Generic, TypeVar, Union, get_args, get_origin

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn

from dualtable._types import Item, Key
from dualtable.errors import InvalidItemError, TransformError

Model = TypeVar("Model")
Old = TypeVar("Old")
New = TypeVar("New")


def to_item(instance: Any) -> Item:
    """Return the plain item of an instance of an attrs class."""
    item: Item = _CONVERTER.unstructure(instance)
    return item


def from_item(model: type[Model], item: Mapping[str, Any]) -> Model:
    """Return the instance of an attrs class that an item stands for.

    Raises:
        InvalidItemError: The item does not fit the class; the message has the path of each misfit.
    """
    try:
        return _CONVERTER.structure(item, model)
    except Exception as error:
        misfits = "; ".join(cattrs.transform_error(error, format_exception=_misfit))
        raise InvalidItemError(f"the item is no {model.__name__}: {misfits}") from error


def check_model(model: object) -> None:
    """Raise `InvalidItemError` for what is no attrs class."""
    if not (isinstance(model, type) and attrs.has(model)):
        raise InvalidItemError(f"model={model!r} must be an attrs class")


@attrs.frozen(repr=False)
class ModelTransform(Generic[Old, New]):
    """A transform between attrs classes: one for the old items, one for the new.

    Args:
        old: The class of the old items. Every attribute that they have must be a field of it.
        new: The class of the new items.
        upgrade: Makes a new instance of an old one; several of them, or None to leave it out.
        downgrade: The way back, where there is one, for `backward`.
        old_key: Leads from a new key to the old one; needed where `upgrade` changes the key.

    Raises:
        InvalidItemError: `old` or `new` is no attrs class.

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

    old: type[Old] = attrs.field(validator=lambda _self, _field, value: check_model(value))
    new: type[New] = attrs.field(validator=lambda _self, _field, value: check_model(value))
    upgrade: Callable[[Old], New | Iterable[New] | None]
    downgrade: Callable[[New], Old] | None = attrs.field(default=None, kw_only=True)
    _old_key: Callable[[Key], Key | None] | None = attrs.field(
        default=None, kw_only=True, alias="old_key"
    )

    def forward(self, item: Item) -> Item | list[Item] | None:
        """Return the new item, a list of them, or None."""
        result = self.upgrade(from_item(self.old, item))
        if result is None or isinstance(result, self.new):
            return None if result is None else to_item(result)
        if not isinstance(result, Iterable):
            raise TransformError(
                f"{self!r} made a {type(result).__name__}, not a {self.new.__name__}"
            )
        return [to_item(each) for each in result]

    def backward(self, item: Item) -> Item:
        """Return the old item of a new one.

        Raises:
            TransformError: There is no `downgrade`.
        """
        if self.downgrade is None:
            raise TransformError(f"{self!r} cannot be undone; give it a downgrade")
        return to_item(self.downgrade(from_item(self.new, item)))

    def old_key(self, new_key: Key) -> Key | None:
        """Return the key of the old item that yields `new_key`."""
        return new_key if self._old_key is None else self._old_key(new_key)

    def __repr__(self) -> str:
        return f"ModelTransform({self.old.__name__}, {self.new.__name__})"


# -- the converter -------------------------------------------------------------------------------


def _misfit(error: BaseException, _type: type | None) -> str:
    """Say what is wrong without quoting the value, as cattrs' own words may."""
    if isinstance(error, KeyError):
        return "required field missing"
    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        return f"unknown attributes {', '.join(sorted(error.extra_fields))}"
    if isinstance(error, InvalidItemError):
        return str(error)
    expected = getattr(_type, "__name__", str(_type))
    return f"{type(error).__name__}, expected {expected}"


def _whole(value: Any, _type: object) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)) or value != int(value):
        raise InvalidItemError("expected a whole number")
    return int(value)


def _real(value: Any, _type: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise InvalidItemError("expected a number")
    return float(value)


def _exactly(kind: type, name: str) -> Callable[[Any, object], Any]:
    def check(value: Any, _type: object) -> Any:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise InvalidItemError(f"expected {name}")
        return value

    return check


def _decimal(value: Any, _type: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise InvalidItemError("expected a number")
    return Decimal(value)


def _may_be_none(type_: Any) -> bool:
    is_union = get_origin(type_) in (Union, types.UnionType)
    return is_union and type(None) in get_args(type_)


def _is_set(type_: Any) -> bool:
    return (get_origin(type_) or type_) in (set, frozenset)


def _left_out(value: Any) -> bool:
    return value is None or (isinstance(value, (set, frozenset)) and not value)


def _unstructure_class(cls: type) -> Callable[[Any], Item]:
    whole: Callable[[Any], Item] = make_dict_unstructure_fn(cls, _CONVERTER)

    def unstructure(instance: Any) -> Item:
        return {name: value for name, value in whole(instance).items() if not _left_out(value)}

    return unstructure


def _structure_class(cls: type) -> Callable[[Any, Any], Any]:
    """Structure strictly, but take a missing None or empty set for what was left out."""
    attrs.resolve_types(cls)
    whole: Callable[[Any, Any], Any] = make_dict_structure_fn(
        cls, _CONVERTER, _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True
    )
    left_out = {
        field.name: None if _may_be_none(field.type) else (get_origin(field.type) or field.type)()
        for field in attrs.fields(cls)
        if field.default is attrs.NOTHING and (_may_be_none(field.type) or _is_set(field.type))
    }

    def structure(item: Any, type_: Any) -> Any:
        if not isinstance(item, Mapping):
            raise InvalidItemError("expected a map")
        return whole({**left_out, **item}, type_)

    return structure


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(prefer_attrib_converters=False)
    for kind, name in ((str, "text"), (bytes, "binary"), (bool, "true or false")):
        converter.register_structure_hook(kind, _exactly(kind, name))
    converter.register_structure_hook(int, _whole)
    converter.register_structure_hook(float, _real)
    converter.register_structure_hook(Decimal, _decimal)
    converter.register_unstructure_hook(float, lambda value: Decimal(repr(value)))
    for dated in (datetime.datetime, datetime.date):
        converter.register_unstructure_hook(dated, lambda value: value.isoformat())
        converter.register_structure_hook(dated, lambda value, type_: type_.fromisoformat(value))
    converter.register_unstructure_hook(uuid.UUID, str)
    converter.register_structure_hook(uuid.UUID, lambda value, _: uuid.UUID(value))
    converter.register_structure_hook_func(
        lambda type_: isinstance(type_, type) and issubclass(type_, enum.Enum),
        lambda value, type_: type_(value),
    )
    converter.register_unstructure_hook_factory(attrs.has, _unstructure_class)
    converter.register_structure_hook_factory(attrs.has, _structure_class)
    return converter


_CONVERTER = _make_converter()
