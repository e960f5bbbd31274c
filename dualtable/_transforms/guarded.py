"""A user's code, run so that whatever it raises is told by name and place.

The rule: the place is where the user's own code was, never inside Python, this library or another
that the code called; and the message is never passed on, since it may quote values. Whatever a
user's code raises is a failure of its own, a cancellation too, which nobody can have asked for in
the middle of a plain call; only what ends the process passes.
"""

from __future__ import annotations

import inspect
import os
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import FrameType
from typing import Any, TypeAlias, TypeVar

from dualtable.errors import DualTableError, TransformError

_T = TypeVar("_T")
_Place: TypeAlias = tuple[str, int]  # file name and line

_PYTHON = os.path.dirname(os.__file__) + os.sep
_OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep
_GENERATED = ("<frozen ", "<attrs ", "<cattrs ", "<string>")
_INSTALLED = ("site-packages", "dist-packages")
_BETWEEN = ("attr", "attrs", "cattr", "cattrs")  # call the user's code on our behalf


def guarded(
    call: Callable[..., _T],
    what: object,
    said: str = "{!r}",
    function: object = None,
    given: Sequence[Any] = (),
) -> _T:
    """Run a user's code with what is `given`, by the name that is made of `what` and `said`.

    Raises:
        TransformError: It raised. Where no place can be told, since `function` is Python's own or
            another library's, that one is.
    """
    try:
        return call(*given)
    except (DualTableError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        place = place_of(error)
        within = "" if function is None or place else f" in {_name(function)}"
        raised = TransformError(f"{said.format(what)} raised {told(error)}{within}")
        raised.where = _shown(place) if place else getattr(what, "written_at", "")
        raise raised from error


def is_async(function: object) -> bool:
    """Tell whether a callable of the user's has to be awaited."""
    calls = (function, getattr(type(function), "__call__", None))  # noqa: B004
    return any(map(inspect.iscoroutinefunction, calls))


def written_at() -> str:
    """Return the place in the user's code that has come to here; empty where there is none."""
    frames = ((frame, line) for frame, line in traceback.walk_stack(None))
    return next((_shown(place) for place in _of_users(frames)), "")


def _shown(place: _Place) -> str:
    return f"{os.path.basename(place[0])}:{place[1]}"


def told(error: BaseException) -> str:
    """Return what may be told of an error: its class, and where the user's code was."""
    place = place_of(error)
    kind = type(error).__name__
    return kind if place is None else f"{kind} at {_shown(place)}"


def place_of(error: BaseException) -> _Place | None:
    """Return the last place in the user's code that an error has come through, if there is one."""
    places = list(_of_users(traceback.walk_tb(error.__traceback__)))
    own = [place for place in places if _installed_in(place[0]) is None]
    if not own and places:  # the user's code is installed itself, and entered first
        home = _installed_in(places[0][0])
        own = [place for place in places if _installed_in(place[0]) == home]
    return own[-1] if own else None


def _name(function: object) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def _of_users(frames: Iterable[tuple[FrameType, int]]) -> Iterator[_Place]:
    """Yield the places of code that is neither Python's nor ours, in the order that is given."""
    for frame, line in frames:
        name = frame.f_code.co_filename
        home = _installed_in(name)
        is_python = home is None and name.startswith(_PYTHON)
        if not (is_python or home in _BETWEEN or name.startswith((_OURS, *_GENERATED))):
            yield name, line


def _installed_in(name: str) -> str | None:
    """Return the package, or module, that an installed file belongs to; None for any other."""
    parts = name.split(os.sep)
    for folder in _INSTALLED:
        if folder in parts[:-1]:
            return parts[parts.index(folder) + 1]
    return None
