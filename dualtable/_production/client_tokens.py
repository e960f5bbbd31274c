"""A caller's token for a transaction, by which it is known again.

The rule: the write token of a transaction is made of it, one half of the client token, the other of
all that is asked. So an item that still has it tells that the same has been done, or another thing
under the same name. Only the items that a transaction names are asked: one under the same client
token that names none of the first one's is another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import attrs

from dualtable._dynamodb.gateway import TransactAction
from dualtable._expressions.requests import PutStep, Step
from dualtable._wire.marks import Marks, new_token
from dualtable.errors import RequestRefusedError

_SETS = ("SS", "NS", "BS")
_HALF = 16


def write_tokens(
    marks: Marks, steps: Sequence[Step | TransactAction], client_token: str | None
) -> list[str]:
    """Return a write token for each step; with a client token, of that and of all that is asked.

    Raises:
        RequestRefusedError: The client token is no text.
    """
    if client_token is None:
        return [new_token() for _ in steps]
    if not isinstance(client_token, str):
        raise RequestRefusedError(
            f"a client token is a text, not of type {type(client_token).__name__}"
        )
    asked = [_plain_step(marks, step) for step in steps]
    return [_digest([client_token]) + _digest(asked)] * len(steps)


def _plain_step(marks: Marks, step: Step | TransactAction) -> object:
    """Return a step as plain data, without its write token."""
    if isinstance(step, PutStep):
        step = attrs.evolve(step, stamped=marks.strip(step.stamped))
    sent = attrs.asdict(step, filter=lambda at, _: at.name not in ("tree", "roots"))
    return [type(step).__name__, sent]


def _digest(of: object) -> str:
    return hashlib.sha256(repr(_in_order(of)).encode()).hexdigest()[:_HALF]


def is_known_again(found: str | None, token: str) -> bool:
    """Tell whether the write token that is there is of the same transaction.

    Raises:
        RequestRefusedError: It is of another transaction under the same client token.
    """
    if found == token:
        return True
    if found is not None and found[:_HALF] == token[:_HALF]:
        raise RequestRefusedError(
            "the client token was given to another transaction; give each a token of its own",
            code="IdempotentParameterMismatchException",
        )
    return False


def _in_order(of: object) -> object:
    """Return plain data in which what has no order has one: names, and members of sets."""
    if isinstance(of, Mapping):
        return [
            (name, sorted(each) if name in _SETS and isinstance(each, list) else _in_order(each))
            for name, each in sorted(of.items())
        ]
    if isinstance(of, list | tuple):
        return [_in_order(each) for each in of]
    return of
