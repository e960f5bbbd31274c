"""Items as attrs classes, by a converter made for DynamoDB; the only module that knows cattrs.

The rule: what a class cannot hold is an error with the path to it, never a value left behind. So an
attribute that the class does not declare is refused, not ignored.

In an item, a ``datetime``, ``date`` or ``UUID`` is text, an ``Enum`` its value, ``int`` and
``float`` are numbers. A field that is None or an empty set is left out, since DynamoDB has no index
entry for the one and no place for the other; where leaving it out would bring back the field's
default, it is stored as NULL. Only in a field of ``set | None`` an empty set comes back as None.
"""

from __future__ import annotations

import datetime
import enum
import types
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Union, get_args, get_origin

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn

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


def form_of(model: type[Model]) -> Form[Model]:
    """Return the form of items that are instances of an attrs class.

    Raises:
        InvalidItemError: `model` is no attrs class.
    """
    check_model(model)
    return Form(load=partial(from_item, model), dump=partial(to_item, model))


def to_item(model: type[Model], instance: Model) -> Item:
    """Return the plain item of an instance of an attrs class.

    Raises:
        InvalidItemError: It is no instance of just this class (a subclass may have fields that
            could not be read back), or a field holds what its type does not promise.
    """
    if type(instance) is not model:
        raise InvalidItemError(f"expected a {model.__name__}, not a {type(instance).__name__}")
    try:
        item: Item = _CONVERTER.unstructure(instance)
    except Exception:  # noqa: BLE001 - whatever a value raises that is not of its field's type
        raise InvalidItemError(f"the {model.__name__} is no item: {_unfit(instance)}") from None
    from_item(model, item)  # what could not be read back must not be written
    return item


def from_item(model: type[Model], item: Mapping[str, Any]) -> Model:
    """Return the instance of an attrs class that an item stands for.

    Raises:
        InvalidItemError: The item does not fit the class; the message has the path of each misfit.
    """
    try:
        return _CONVERTER.structure(item, model)
    except Exception as error:  # noqa: BLE001 - no cause either: its own words quote values
        misfits = "; ".join(cattrs.transform_error(error, format_exception=_misfit))
        raise InvalidItemError(f"the item is no {model.__name__}: {misfits}") from None


def check_model(model: object) -> None:
    """Raise `InvalidItemError` for what is no attrs class, or one with types out of reach."""
    if not (isinstance(model, type) and attrs.has(model)):
        raise InvalidItemError(f"model={model!r} must be an attrs class")
    try:
        attrs.resolve_types(model)
    except NameError as error:
        raise InvalidItemError(
            f"a field of {model.__name__} has a type that cannot be found ({error});"
            " define both at the level of a module"
        ) from None


@attrs.frozen(repr=False)
class ModelTransform(Generic[Old, New]):
    """A transform between attrs classes: one for the old items, one for the new.

    Args:
        old: The class of the old items. Every attribute that they have must be a field of it.
        new: The class of the new items.
        upgrade: Makes a new instance of an old one; several of them, or None to leave it out.
        downgrade: The way back, where there is one, for `backward`.
        old_key: Leads from a new key to the old one; needed where `upgrade` changes the key.
        new_key: Leads from an old key to the new one; needed where there is an `old_key` and the
            migration is to be reversed.

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
                f"{self!r} made a {type(result).__name__}, not a {self.new.__name__}"
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
        return f"ModelTransform({self.old.__name__}, {self.new.__name__})"


# -- the converter -------------------------------------------------------------------------------


def _misfit(error: BaseException, _type: type | None) -> str:
    """Say what is wrong without quoting the value, as cattrs' own words may."""
    if isinstance(error, KeyError):
        return "required field missing"
    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        return f"unknown attributes {', '.join(sorted(error.extra_fields))}"
    if isinstance(error, cattrs.StructureHandlerNotFoundError):
        return f"fields of type {error.type_} are not supported"
    if isinstance(error, InvalidItemError):
        return str(error)
    return f"{type(error).__name__}, expected {getattr(_type, '__name__', _type)}"


def _unfit(instance: Any, path: str = "$") -> str:
    """Say which field of an instance cannot be unstructured."""
    for field in attrs.fields(type(instance)):
        value = getattr(instance, field.name)
        try:
            _CONVERTER.unstructure(value, unstructure_as=field.type)
        except Exception:  # noqa: BLE001 - as above
            here = f"{path}.{field.name}"
            if attrs.has(type(value)):
                return _unfit(value, here)
            expected = getattr(field.type, "__name__", field.type)
            return f"{type(value).__name__}, expected {expected} @ {here}"
    return "a field holds what its type does not promise"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool)


def _whole(value: Any, type_: Callable[[int], Any]) -> Any:
    if not _is_number(value) or value != int(value):
        raise InvalidItemError("expected a whole number")
    return type_(int(value))  # int, or an IntEnum


def _real(value: Any, _type: object) -> float:
    if not _is_number(value):
        raise InvalidItemError("expected a number")
    return float(value)


def _decimal(value: Any, _type: object) -> Decimal:
    if not _is_number(value):
        raise InvalidItemError("expected a number")
    return Decimal(value)


def _exactly(kind: type, name: str) -> Callable[[Any, Any], Any]:
    def check(value: Any, type_: Any) -> Any:
        if not isinstance(value, kind):
            raise InvalidItemError(f"expected {name}")
        return value if type_ is kind else type_(value)  # a StrEnum is text, too

    return check


def _is_enum(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, enum.Enum)


def _enum_value(member: enum.Enum) -> Any:
    return _CONVERTER.unstructure(member.value)


def _enum_member(value: Any, type_: type[enum.Enum]) -> enum.Enum:
    for member in type_:
        if _enum_value(member) == value and isinstance(value, bool) is isinstance(
            member.value, bool
        ):
            return member
    raise InvalidItemError(f"expected a value of {type_.__name__}")


def _may_be_none(type_: Any) -> bool:
    is_union = get_origin(type_) in (Union, types.UnionType)
    return is_union and type(None) in get_args(type_)


def _is_set(type_: Any) -> bool:
    return (get_origin(type_) or type_) in (set, frozenset)


def _nothing(type_: Any) -> Any:
    """Return what a field of the type is when its attribute is missing or NULL."""
    return None if _may_be_none(type_) else (get_origin(type_) or type_)()


def _fields_of_nothing(cls: type) -> Iterator[attrs.Attribute[Any]]:
    """Yield the fields that may hold what an item does not: None or an empty set."""
    for field in attrs.fields(cls):
        if _may_be_none(field.type) or _is_set(field.type):
            yield field


def _defaults_to_nothing(field: attrs.Attribute[Any]) -> bool:
    """Tell whether None or an empty set comes back by itself where it is left out."""
    default: Any = field.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type] # mypy takes it for a function
        return not default.takes_self and default.factory() == set()
    return default is attrs.NOTHING or default is None or default == set()


def _unstructure_class(cls: type) -> Callable[[Any], Item]:
    """Leave out what would come back by itself, and mark as NULL what would not."""
    attrs.resolve_types(cls)
    whole: Callable[[Any], Item] = make_dict_unstructure_fn(cls, _CONVERTER)
    left_out = {field.name: _defaults_to_nothing(field) for field in _fields_of_nothing(cls)}

    def unstructure(instance: Any) -> Item:
        item = whole(instance)
        for name in left_out.keys() & item.keys():
            if item[name] is None or item[name] == set():
                item[name] = None
                if left_out[name]:
                    del item[name]
        return item

    return unstructure


def _structure_class(cls: type) -> Callable[[Any, Any], Any]:
    """Structure strictly, but take what is missing or NULL for the nothing that it stands for."""
    attrs.resolve_types(cls)
    whole: Callable[[Any, Any], Any] = make_dict_structure_fn(
        cls, _CONVERTER, _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True
    )
    nothing = {field.name: _nothing(field.type) for field in _fields_of_nothing(cls)}
    required = {f.name for f in _fields_of_nothing(cls) if f.default is attrs.NOTHING}

    def structure(item: Any, type_: Any) -> Any:
        if not isinstance(item, Mapping):
            raise InvalidItemError("expected a map")
        absent = {name: nothing[name] for name in required - item.keys()}
        null = {name: nothing[name] for name in nothing.keys() & item.keys() if item[name] is None}
        return whole({**item, **absent, **null}, type_)

    return structure


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(prefer_attrib_converters=False)
    for kind, name in ((str, "text"), (bytes, "binary"), (bool, "true or false")):
        converter.register_structure_hook(kind, _exactly(kind, name))
    converter.register_structure_hook(int, _whole)
    converter.register_structure_hook(float, _real)
    converter.register_structure_hook(Decimal, _decimal)
    converter.register_unstructure_hook(float, lambda value: Decimal(str(value)))
    for dated in (datetime.datetime, datetime.date):
        converter.register_unstructure_hook(dated, lambda value: value.isoformat())
        converter.register_structure_hook(dated, lambda value, type_: type_.fromisoformat(value))
    converter.register_unstructure_hook(uuid.UUID, str)
    converter.register_structure_hook(uuid.UUID, lambda value, _: uuid.UUID(value))
    converter.register_unstructure_hook_func(_is_enum, _enum_value)
    converter.register_structure_hook(enum.Enum, _enum_member)
    converter.register_unstructure_hook_factory(attrs.has, _unstructure_class)
    converter.register_structure_hook_factory(attrs.has, _structure_class)
    return converter


_CONVERTER = _make_converter()
