"""The user's migration, by the name that goes on a command line or to another process.

The rule: a reference is ``MODULE:ATTRIBUTE``; whatever is wrong with it is one error that says so.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

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
    if not isinstance(reference, str):
        raise InvalidSettingError(
            f"a reference is a text, such as 'orders_migration:migration', by which others import"
            f" what it names; a {type(reference).__name__} is none"
        )
    module, _, attribute = reference.partition(":")
    if not module or not attribute:
        raise InvalidSettingError(
            f"{reference!r} is no MODULE:ATTRIBUTE such as orders_migration:migration"
        )
    _check_is_no_file(module, attribute)
    imported = _import(module)
    try:
        found: object = getattr(imported, attribute)
    except AttributeError as error:
        raise InvalidSettingError(
            f"module {module!r} has no attribute {attribute!r}{hint(imported)}"
        ) from error
    except (DualTableError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a module may make its attributes when they are asked for
        raise DualTableError(_failure(f"get {attribute!r} of {module!r}", error)) from error
    return found


def _check_is_no_file(module: str, attribute: str) -> None:
    """Raise `InvalidSettingError` where the path of a file is given, and say what its module is."""
    path = Path(module if module.endswith(".py") else f"{module}.py")
    is_path = module.endswith(".py") or "/" in module or os.sep in module
    if not (is_path and path.is_file()):
        return
    folder, name = path.resolve().parent, path.stem
    with suppress(OSError, ValueError):  # it is elsewhere
        name = ".".join(path.resolve().relative_to(Path.cwd()).with_suffix("").parts)
        folder = Path.cwd()
    raise InvalidSettingError(
        f"{module!r} is a file, and a reference names a module: {name}:{attribute}, in {folder}"
    )


def _import(name: str) -> object:
    folder = _working_directory()
    if folder and folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    except (DualTableError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a module may end the process, or raise what no `Exception` is
        _log.debug("the import failed", exc_info=True)
        raise DualTableError(_import_failure(name, folder, error)) from error


def _working_directory() -> str:
    """Return it; empty where it has been deleted."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""


def _what_it_has(module: object) -> str:
    found = sorted(name for name, value in vars(module).items() if isinstance(value, Migration))
    return f"; it has {', '.join(found)}" if found else ", and no migration at all"


def _import_failure(name: str, folder: str, error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
        here = folder or "the working directory, which has been deleted,"
        return f"there is no module {name!r} in {here} or elsewhere on the Python path"
    return _failure(f"import {name!r}", error)


def _failure(what: str, error: BaseException) -> str:
    place = place_of(error)
    where = "" if place is None else f" ({place[0]}:{place[1]})"
    return f"cannot {what}: {type(error).__name__}: {error}{where}"
