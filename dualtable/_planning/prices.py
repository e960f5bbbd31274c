"""What a unit costs, by date, region and source.

The rule: prices are data. The numbers stand in ``prices.json`` beside this module, each from the
source that is named there; whoever pays others gives a file of the same form.
"""

from __future__ import annotations

import json
import os
from importlib import resources
from typing import Any

import attrs

from dualtable._transforms.migration import check_range
from dualtable.errors import InvalidSettingError

NOT_COVERED = (
    "the free tier, reserved capacity, savings plans and taxes",
    "the table class Standard-IA, other regions' prices, replicas of a global table",
    "pre-warming, streams, backups, point-in-time recovery, data transfer, KMS requests",
    "what production itself reads and writes meanwhile",
)

_NUMBERS = (
    "million_read_units",
    "million_write_units",
    "read_unit_hour",
    "write_unit_hour",
    "gigabyte_month",
)


@attrs.frozen(kw_only=True)
class Prices:
    """Prices of one region in one currency.

    Args:
        region: Where they hold, such as ``us-east-1``.
        date: Since when, such as ``2026-08-31``.
        source: Where the numbers come from.
        million_read_units: On demand, for a million read units.
        million_write_units: On demand, for a million write units.
        read_unit_hour: Provisioned, for one read unit a second during one hour.
        write_unit_hour: Provisioned, for one write unit a second during one hour.
        gigabyte_month: Storage of one GB for a month.
        currency: Such as ``USD``, the default.

    Raises:
        InvalidSettingError: A price is no number from 0.

    Example:
        >>> from dualtable import Prices
        >>> Prices.published().million_write_units
        0.625
    """

    region: str
    date: str
    source: str
    million_read_units: float
    million_write_units: float
    read_unit_hour: float
    write_unit_hour: float
    gigabyte_month: float
    currency: str = "USD"

    def __attrs_post_init__(self) -> None:
        for name in _NUMBERS:
            check_range(name, getattr(self, name), 0, optional=False)

    @classmethod
    def published(cls) -> Prices:
        """Return AWS's prices of us-east-1, with their date and source."""
        text = resources.files("dualtable._planning").joinpath("prices.json").read_text("utf-8")
        return cls(**json.loads(text))

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Prices:
        """Read a JSON file whose fields are those of this class.

        Raises:
            InvalidSettingError: There is no such file, or it has other fields.
        """
        try:
            with open(path, encoding="utf-8") as file:
                return cls(**_fields(json.load(file)))
        except (OSError, ValueError, TypeError) as error:
            names = ", ".join(field.name for field in attrs.fields(cls))
            raise InvalidSettingError(
                f"{os.fspath(path)} holds no prices ({error}); it must be a JSON object of {names}"
            ) from error


def _fields(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise TypeError("it is no object")
    return found
