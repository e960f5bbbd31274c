"""What is migrated: the one value that production, scripts and the command line share.

The rule: a `Migration` is checked when it is made and never changes; it holds names and the
transform, and no connection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import attrs

from dualtable._transforms.applying import no_way_back
from dualtable._transforms.fingerprint import fingerprint
from dualtable._transforms.guarded import is_async
from dualtable._transforms.reversal import reverse
from dualtable._transforms.transform import Transform, as_transform
from dualtable._wire.layouts import Index, KeySchema, check_key_schema, is_arn, short_name
from dualtable._wire.marks import Marks
from dualtable._wire.paths import as_name
from dualtable.errors import InvalidSettingError, TableMismatchError, TransformError

DEFAULT_CONTROL_TABLE = "dualtable-control"
_STATED = "version:"
_MOST = 1e30  # of any number; DynamoDB keeps 38 digits
_NAME_BYTES = 1_500  # it is a part of a key of 2,048 bytes
_SURROGATE = re.compile("[\ud800-\udfff]")
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
_TABLE_NAME = re.compile(r"[a-zA-Z0-9_.-]{3,255}")
_TABLE_ARN = re.compile(r"arn:aws[a-z-]*:dynamodb:[^:/\s]+:[^:/\s]+:table/[a-zA-Z0-9_.-]{3,255}")


def _check_table_name(_instance: object, attribute: Any, value: str) -> None:
    if isinstance(value, str) and _TABLE_ARN.fullmatch(value):
        raise TableMismatchError(
            f"{attribute.name}={value!r} is an ARN; only `old` may be one. Give the name of a table"
            " in the account that the credentials are of: batched inserts (PartiQL) take no ARN"
        )
    if not isinstance(value, str) or not _TABLE_NAME.fullmatch(value):
        raise TableMismatchError(
            f"{attribute.name}={value!r} is no table name: 3 to 255 of a-z, A-Z, 0-9, '_', '-', '.'"
        )


def _check_name_or_arn(instance: object, attribute: Any, value: str) -> None:
    if isinstance(value, str) and is_arn(value):
        if not _TABLE_ARN.fullmatch(value):
            raise TableMismatchError(
                f"{attribute.name}={value!r} is no table's ARN:"
                " arn:aws:dynamodb:REGION:ACCOUNT:table/NAME, and nothing after the name"
            )
    else:
        _check_table_name(instance, attribute, value)


def _is_text(value: object) -> bool:
    """Tell whether a value is a text that DynamoDB can store, and not an empty one."""
    return isinstance(value, str) and value != "" and not _SURROGATE.search(value)


def _check_name(_instance: object, _attribute: Any, value: str) -> None:
    if not _is_text(value):
        raise TableMismatchError(f"name={value!r} names no migration; it must be a text")
    if len(value.encode()) > _NAME_BYTES:
        raise TableMismatchError(
            f"name={value[:20]!r}… is longer than the {_NAME_BYTES:,} bytes that a record can have"
        )


def _check_mark(_instance: object, attribute: Any, value: str) -> None:
    if not _is_text(value):
        raise TableMismatchError(
            f"{attribute.name}={value!r} names no attribute; it must be a text"
        )


def _check_rolling(_instance: object, attribute: Any, value: bool) -> None:
    check_flags(**{attribute.name: value})


def _check_settle_seconds(_instance: object, attribute: Any, value: float) -> None:
    check_range(attribute.name, value, 1, 86_400, optional=False)


def _to_indexes(value: Iterable[Index] | None) -> tuple[Index, ...] | None:
    if value is None:
        return None
    if not isinstance(value, Iterable):
        raise TableMismatchError(f"indexes={value!r} must be some of Index(name, KeySchema(…))")
    indexes = tuple(value)
    for index in indexes:
        if not isinstance(index, Index):
            raise TableMismatchError(
                f"{index!r} among the indexes is not an Index; write Index(name, KeySchema(…))"
            )
    names = [index.name for index in indexes]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise TableMismatchError(f"two of the indexes have the name {twice!r}; a table has it once")
    return indexes


@attrs.define(frozen=True, slots=False)
class Migration:
    """What is migrated, from which table to which, and how.

    Args:
        name: Names this migration in the control table; use another for each migration.
        old: The table that is read and never written once the copy may begin. Its name; or its
            ARN, also of another account whose policy for the table allows it.
        new: The table that takes its place.
        transform: A `Transform`, or a callable ``Item -> Item | Iterable[Item] | None``.
        key: The primary key of the new table where it differs from the old one's.
        indexes: All indexes that the new table shall have; None (default) for those of the old.
        version: States by hand what else is read off the transform's source: a resumed run is
            refused when it has changed. Give it where source is not at hand, or to go on with a
            transform that was changed in a way that does not matter.
        rolling: Whether old code and new code run side by side for a while. True: the migration
            begins in a phase in which the new code still works on the old table, so the transform
            needs a way back. False (default): it begins where production writes to the new table,
            and the old processes are stopped before the new ones start.
        settle_seconds: How long anything may go by what it knew, from 1 to 86400, the same in every
            process: each step to the next phase waits that long, and no operation goes on for
            longer. Default: 900.
        control_table: The table for phase, checkpoints and leases; several migrations share it.
            A repository that finds none goes by ``MIGRATING``, so all processes must name the same
            one. Default: ``dualtable-control``.
        tombstone_attribute: The attribute that marks a deleted item in the new table. Default:
            ``_dualtable_deleted``.
        token_attribute: The attribute that tells one write of production from the next. Default:
            ``_dualtable_token``.

    Raises:
        TableMismatchError: A name, key or index is malformed, or two of the tables are one.
        TransformError: `transform` is neither a transform nor callable, or has no way back although
            `rolling` asks for one.
        InvalidSettingError: `settle_seconds` is out of range.

    Example:
        >>> from dualtable import Migration, Move
        >>> migration = Migration(
        ...     name="orders-v2",
        ...     old="orders",
        ...     new="orders-v2",
        ...     transform=Move("customer.region", "region"),
        ... )
        >>> migration.control_table
        'dualtable-control'
    """

    name: str = attrs.field(converter=as_name, validator=_check_name)
    old: str = attrs.field(converter=as_name, validator=_check_name_or_arn)
    new: str = attrs.field(converter=as_name, validator=_check_table_name)
    transform: Transform = attrs.field(converter=as_transform)
    key: KeySchema | None = attrs.field(
        default=None, kw_only=True, validator=attrs.validators.optional(check_key_schema)
    )
    indexes: tuple[Index, ...] | None = attrs.field(
        default=None, kw_only=True, converter=_to_indexes
    )
    version: str | None = attrs.field(default=None, kw_only=True)
    rolling: bool = attrs.field(default=False, kw_only=True, validator=_check_rolling)
    settle_seconds: float = attrs.field(
        default=900.0, kw_only=True, validator=_check_settle_seconds
    )
    control_table: str = attrs.field(
        default=DEFAULT_CONTROL_TABLE,
        kw_only=True,
        converter=as_name,
        validator=_check_table_name,
    )
    tombstone_attribute: str = attrs.field(
        default="_dualtable_deleted", kw_only=True, converter=as_name, validator=_check_mark
    )
    token_attribute: str = attrs.field(
        default="_dualtable_token", kw_only=True, converter=as_name, validator=_check_mark
    )

    def __attrs_post_init__(self) -> None:
        for one, other in (("old", "new"), ("old", "control_table"), ("new", "control_table")):
            if getattr(self, one) == getattr(self, other):
                raise TableMismatchError(
                    f"{one} and {other} are both {getattr(self, one)!r}; they must be two tables"
                )
        if self.key is not None:
            self.key.check_single("the new table's key")
        if self.tombstone_attribute == self.token_attribute:
            raise TableMismatchError("tombstone_attribute and token_attribute must differ")
        stated = (self.key, *(index.key for index in self.indexes or ()))
        for key in filter(None, stated):
            self.marks.check_keys(key.names, self.new)
        reason = no_way_back(self.transform) if self.rolling else None
        if reason is not None:
            raise TransformError(
                "rolling=True writes to the old table in its format, so each step needs a way back:"
                f" {reason}"
            )

    @property
    def marks(self) -> Marks:
        """The library's attributes in the new table."""
        return Marks(self.tombstone_attribute, self.token_attribute)

    def reversed(self, into: str, **changes: Any) -> Migration:
        """Return the migration that leads back: from `new` into a fresh table in the old format.

        It is a migration like any other, run by the same commands. Its transform is this one the
        other way round; control table and names of the library's attributes are the same.

        Args:
            into: The table that takes the restored items; not the old table, which is out of date.
            **changes: Arguments of `Migration` that shall be otherwise. By default the name is this
                one's with ``-reversed`` behind it, and a `version` likewise; `rolling` and
                `settle_seconds` are this migration's. `key` must be given where this migration has
                one: it is the old table's. `indexes` are those of `new` where this migration states
                none, and none where it does, since they are made for the newer format; give those
                that the old code needs.

        Raises:
            TransformError: A step has no way back, or does not say which new key an old key
                becomes.
            TableMismatchError: `into` is the old table, this migration has a `key` and none is
                given, or a name is malformed.

        Example:
            >>> from dualtable import Migration, Rename
            >>> migration = Migration("orders-v2", "orders", "orders-v2", Rename("nme", "name"))
            >>> back = migration.reversed(into="orders-restored")
            >>> back.name, back.old, back.new
            ('orders-v2-reversed', 'orders-v2', 'orders-restored')
            >>> back.transform.forward({"id": "o-1", "name": "Ann"})
            {'id': 'o-1', 'nme': 'Ann'}
        """
        if into == short_name(self.old):
            raise TableMismatchError(
                f"{into} holds what was there before the migration, and the copy overwrites"
                " nothing; restore into a fresh table"
            )
        if self.key is not None and changes.get("key") is None:
            raise TableMismatchError(
                f"{self.new} has a key of its own, so the key of {into} must be said:"
                f" reversed({into!r}, key=KeySchema(…)), as {self.old} has it"
            )
        otherwise = {
            "name": f"{self.name}-reversed",
            "key": None,
            "indexes": None if self.indexes is None else (),
            "version": self.version and f"{self.version}-reversed",
            "transform": reverse(self.transform),
        }
        return attrs.evolve(self, old=self.new, new=into, **(otherwise | changes))

    @cached_property
    def fingerprint(self) -> str:
        """What the transform amounts to, by `version` where it is given, else by its source.

        Raises:
            TransformError: The source cannot be read and `version` is not given.
        """
        return f"{_STATED}{self.version}" if self.version else fingerprint(self.transform)


def known_fingerprint(migration: Migration) -> str:
    """Return what a transform amounts to; nothing where its source is not at hand."""
    try:
        return migration.fingerprint
    except TransformError:
        return ""


def is_stated(fingerprint: str) -> bool:
    """Tell whether a fingerprint is a version that somebody has stated."""
    return fingerprint.startswith(_STATED)


def check_flags(**settings: bool) -> None:
    """Raise `InvalidSettingError` where a setting is neither True nor False."""
    for name, value in settings.items():
        if not isinstance(value, bool):
            raise InvalidSettingError(f"{name}={value!r} must be True or False")


def check_range(
    name: str,
    value: float | None,
    least: float,
    most: float = _MOST,
    *,
    whole: bool = False,
    optional: bool = True,
) -> None:
    """Raise `InvalidSettingError` where a setting is out of range; None passes if `optional`."""
    if value is None and optional:
        return
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
        is_vast = isinstance(value, (int, float)) and abs(value) > _MOST
        # Python itself shows no number of 5,000 digits.
        shown = "…" if is_vast and isinstance(value, int) else repr(value)
        kind = "a whole number" if whole else "a number"
        bounds = f"from {least:g}" + (f" to {most:g}" if is_vast or most < _MOST else "")
        raise InvalidSettingError(f"{name}={shown} must be {kind} {bounds}")


def check_path(name: str, value: object) -> None:
    """Raise `InvalidSettingError` where a setting is no path."""
    path = os.fspath(value) if isinstance(value, (str, os.PathLike)) else value
    if not isinstance(path, str):
        raise InvalidSettingError(f"{name}={value!r} must be a path: a text, or a pathlib.Path")
    if "\0" in path:
        raise InvalidSettingError(f"{name}={path!r} cannot be written or read: it has a null in it")


def check_observer(observer: object) -> None:
    """Raise `InvalidSettingError` where an observer cannot be called, or nobody would await it."""
    if observer is not None and not callable(observer):
        raise InvalidSettingError(
            f"observer must be a callable that takes one argument, not a {type(observer).__name__}"
        )
    if is_async(observer):
        raise InvalidSettingError(
            "observer is asynchronous, and nobody would await it; give a plain function"
        )
