"""What travels to a worker.

The rule: plain data and the migration's name, ``MODULE:ATTRIBUTE``; what cannot travel, such as a
session, is refused before anything is sent. Each worker makes its own clients, by its own
environment, and imports the migration for itself.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

import attrs

from dualtable._operations.reference import load
from dualtable.errors import InvalidSettingError

Task: TypeAlias = Literal["migrate", "verify", "cleanup"]

_PLAIN = (str, int, float, bool, type(None))
_OF_CONNECTION = ("endpoint_url", "region_name", "profile_name")
_NOT_PLAIN = ("session", "config", "gateway")


def _check_signals(_spec: object, attribute: Any, names: object) -> None:
    known = signal.Signals.__members__
    if not isinstance(names, (tuple, list)) or not all(name in known for name in names):
        raise InvalidSettingError(
            f"{attribute.name}={names!r} must be names of signals, such as ('SIGINT', 'SIGTERM')"
        )


@attrs.frozen(kw_only=True)
class WorkSpec:
    """What one worker has to know; frozen, picklable, plain data.

    Attributes:
        reference: The migration, as ``MODULE:ATTRIBUTE``; importable where the worker is.
        task: ``"migrate"``, ``"verify"`` or ``"cleanup"``.
        name: The migration's name, for what a worker says that cannot import it.
        control_table: The same.
        number: Which worker it is, from 0 on.
        workers: How many there are.
        job: Which call they belong to.
        run: The verification that they take part in; empty for other tasks.
        settings: Those of the `Migrator`, the `Verifier` or `clean_up`.
        connection: ``endpoint_url``, ``region_name``, ``profile_name``, as far as they are given.
        stop_on: Names of the signals that let the worker finish its pages, where it is in the main
            thread; for processes of this machine.

    Example:
        >>> import pickle
        >>> from dualtable.distributed import WorkSpec
        >>> spec = WorkSpec(
        ...     reference="orders_migration:migration",
        ...     task="migrate",
        ...     name="orders-v2",
        ...     control_table="dualtable-control",
        ...     number=0,
        ...     workers=4,
        ...     job="example",
        ... )
        >>> pickle.loads(pickle.dumps(spec)) == spec
        True
    """

    reference: str
    task: Task
    name: str
    control_table: str
    number: int
    workers: int
    job: str
    run: str = ""
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    connection: Mapping[str, str | None] = attrs.field(factory=dict)
    stop_on: tuple[str, ...] = attrs.field(default=(), validator=_check_signals)


def check_task(task: str) -> None:
    """Raise `InvalidSettingError` where there is no such task."""
    if task not in get_args(Task):
        raise InvalidSettingError(f"task={task!r} must be one of {', '.join(get_args(Task))}")


def told_apart(
    settings: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, str | None]]:
    """Return the settings of the work, and those of the connection.

    Raises:
        InvalidSettingError: One is not plain data.
    """
    for name, value in settings.items():
        if name in _NOT_PLAIN and value is not None:
            raise InvalidSettingError(
                f"{name} cannot travel to another process: workers make their clients themselves,"
                " by their own environment; give endpoint_url, region_name or profile_name"
            )
        if name == "throttle" and callable(value):
            raise InvalidSettingError(
                "throttle must be MODULE:ATTRIBUTE to travel to a worker: each asks its own"
            )
        if not isinstance(value, _PLAIN):
            raise InvalidSettingError(
                f"{name} must be text, a number or None to travel to a worker, not"
                f" {type(value).__name__}"
            )
    connection = {name: settings[name] for name in _OF_CONNECTION if name in settings}
    apart = {*_OF_CONNECTION, *_NOT_PLAIN}
    return {n: v for n, v in settings.items() if n not in apart}, connection


def loaded(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with what has travelled by its name, a `throttle`, in its place.

    Raises:
        DualTableError: There is no such thing here.
    """
    throttle = settings.get("throttle")
    given = load(throttle) if isinstance(throttle, str) else throttle
    return {**settings, "throttle": given} if "throttle" in settings else dict(settings)


def travelling(reference: str) -> str:
    """Return a reference by which a worker finds the migration of a module run by ``-m``.

    ``__main__`` is another module in every process; one that was run by ``python -m`` has a name.
    """
    module, colon, attribute = reference.partition(":")
    known = getattr(sys.modules.get("__main__"), "__spec__", None)
    if module == "__main__" and known is not None:
        return f"{known.name}{colon}{attribute}"
    return reference
