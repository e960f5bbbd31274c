"""What is said of the ceilings that all migrators share.

The rule: pure.
"""

from __future__ import annotations

from dualtable._control.control_table import Limits


def limits_text(limits: Limits, name: str) -> str:
    return (
        f"{name}: all migrators together may use {_ceiling(limits.max_read_units)} read units"
        f" and {_ceiling(limits.max_write_units)} write units a second."
    )


def _ceiling(units: float | None) -> str:
    if units is None:
        return "any number of"
    return f"{units:,g}"
