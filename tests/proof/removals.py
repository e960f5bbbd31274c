"""How a guard of the protocol is removed, and what is expected then.

The rule: a guard is removed by replacing the one function or condition that is the guard, here in
the test; the library knows nothing of it. Beside it stands the smallest cast that needs it, and the
rule that is broken without it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import attrs

from dualtable._expressions.texts import Condition
from dualtable._wire import codec, keys
from proof.casts import WORLDS, Cast

ONLY_OLD, COPIED, WRITTEN, DELETED, NOWHERE, ONLY_NEW, _ = WORLDS
ANYTHING = Condition("attribute_exists(#k) OR attribute_not_exists(#k)", {"#k": "id"})


@attrs.frozen
class Guard:
    """A guard, how it is removed, the cast that needs it, and the rule that is broken then."""

    name: str
    removed: Callable[[], AbstractContextManager[Any]]
    cast: Cast
    rule: str


def cast(*roles: Any, world: Any = ONLY_OLD, **settings: Any) -> Cast:
    """Return a cast of actors with one operation each."""
    return Cast(tuple((role,) for role in roles), world, **settings)


def replaced(owner: Any, name: str, by: Any) -> Callable[[], AbstractContextManager[Any]]:
    return partial(patch.object, owner, name, by)


def together(
    *removals: Callable[[], AbstractContextManager[Any]],
) -> Callable[[], AbstractContextManager[Any]]:
    """Remove a guard that stands at several places."""

    @contextmanager
    def removed() -> Iterator[None]:
        with ExitStack() as stack:
            for removal in removals:
                stack.enter_context(removal())
            yield

    return removed


def everywhere(function: Any, by: Any) -> Callable[[], AbstractContextManager[Any]]:
    """Replace a function in each module that has imported it by name."""

    @contextmanager
    def removed() -> Iterator[None]:
        with ExitStack() as stack:
            for module in [m for n, m in sys.modules.items() if n.startswith("dualtable")]:
                for name in [n for n, value in vars(module).items() if value is function]:
                    stack.enter_context(patch.object(module, name, by))
            yield

    return removed


@contextmanager
def any_spelling() -> Iterator[None]:
    """Let a number of a key be spelled as whoever hands it in spells it."""
    with (
        patch.object(codec, "spelled", str),
        patch.object(keys, "canonical", lambda number: number),
    ):
        yield
