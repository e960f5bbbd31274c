"""The user's migration, by the name that goes on a command line or to another process.

The rule: a reference is ``MODULE:ATTRIBUTE``; whatever is wrong with it is one error that says so.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Callable

from dualtable._transforms.guarded import place_of
from dualtable._transforms.migration import Migration
from dualtable.errors import DualTableError, InvalidSettingError

_log = logging.getLogger("dualtable.reference")


def load_migration(reference: str) -> Migration:
    """Import the migration that ``MODULE:ATTRIBUTE`` names.

    Raises:
        DualTableError: There is no such module or attribute, it is no migration, or the import
            fails; an error of the library's own passes as it is.
    """
    found = load(reference, _what_it_has)
    if not isinstance(found, Migration):
        raise InvalidSettingError(
            f"{reference} is a {type(found).__name__}, not a dualtable.Migration"
        )
    return found


def load(reference: str, hint: Callable[[object], str] = lambda _: "") -> object:
    """Import whatever ``MODULE:ATTRIBUTE`` names.

    Args:
        reference: The name.
        hint: What else to say of a module that has no such attribute.

    Raises:
        DualTableError: As for `load_migration`.
    """
    module, _, attribute = reference.partition(":")
    if not module or not attribute:
        raise InvalidSettingError(
            f"{reference!r} is no MODULE:ATTRIBUTE such as orders_migration:migration"
        )
    imported = _import(module)
    try:
        found: object = getattr(imported, attribute)
    except AttributeError as error:
        raise InvalidSettingError(
            f"module {module!r} has no attribute {attribute!r}{hint(imported)}"
        ) from error
    return found


def _import(name: str) -> object:
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    except DualTableError:
        raise
    except (Exception, SystemExit) as error:
        _log.debug("the import failed", exc_info=True)
        raise DualTableError(_import_failure(name, folder, error)) from error


def _what_it_has(module: object) -> str:
    found = sorted(name for name, value in vars(module).items() if isinstance(value, Migration))
    return f"; it has {', '.join(found)}" if found else ", and no migration at all"


def _import_failure(name: str, folder: str, error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
        return f"there is no module {name!r} in {folder} or elsewhere on the Python path"
    place = place_of(error)
    where = "" if place is None else f" ({place[0]}:{place[1]})"
    return f"cannot import {name!r}: {type(error).__name__}: {error}{where}"
