"""Verifications in every interleaving, shared and beside others, and without their guards."""

from __future__ import annotations

import re

import pytest

from proof.casts import Cast
from proof.explorer import explore
from proof.removals import Guard
from proof.verifying import QUICK_CASTS
from proof.verifying_guards import VERIFYING_GUARDS


@pytest.mark.parametrize("cast", QUICK_CASTS, ids=lambda cast: cast.title)
def test_what_a_verification_says_is_so(cast: Cast) -> None:
    """Nothing is overlooked or said in vain, and each item is looked at once, whoever dies."""
    found = explore(cast)
    assert found.violation is None, found.violation
    assert found.interleavings


@pytest.mark.parametrize("guard", VERIFYING_GUARDS, ids=lambda guard: guard.name)
def test_no_guard_of_a_verification_is_in_vain(guard: Guard) -> None:
    """The proof can fail: without the guard it reports the broken rule and the interleaving."""
    with guard.removed():
        found = explore(guard.cast)
    assert found.violation is not None
    assert found.violation.rule.startswith(guard.rule)
    assert re.search(r"\n +\d+  \S+-1", str(found.violation))
