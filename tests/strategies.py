"""Values and items as DynamoDB takes them, for Hypothesis; the only module that makes any up."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

# DynamoDB's text is UTF-8, which has no surrogates.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)


@st.composite
def numbers(draw: st.DrawFn) -> Decimal:
    """Up to 38 significant digits, from 1E-130 to 9.99…E+125 on either side of zero."""
    digits = draw(st.integers(-(10**38) + 1, 10**38 - 1))
    lowest, highest = -130 - len(str(abs(digits))) + 1, 125 - len(str(abs(digits))) + 1
    # Most numbers are everyday ones; all exponents are drawn, but not as often.
    exponent = draw(st.integers(-6, 2) | st.integers(lowest, highest))
    exponent = min(max(exponent, lowest), highest)
    return Decimal(f"{digits}E{exponent}")


sets = (
    st.sets(texts, min_size=1, max_size=3)
    | st.sets(numbers(), min_size=1, max_size=3)
    | st.sets(st.binary(max_size=6), min_size=1, max_size=3)
)
scalars = st.none() | st.booleans() | numbers() | texts | st.binary(max_size=6)


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)


values = st.recursive(scalars | sets, _nested, max_leaves=8)
items = st.dictionaries(names, values, max_size=5)
