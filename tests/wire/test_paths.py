"""One grammar for paths, whoever is given one."""

from __future__ import annotations

import pytest
from boto3.dynamodb.conditions import Attr
from hypothesis import given
from hypothesis import strategies as st

from dualtable._expressions.boto3_conditions import filter_of
from dualtable._expressions.conditions import Exists
from dualtable._expressions.grammar import Placeholders
from dualtable._expressions.parser import parse_condition
from dualtable._wire.paths import Path, document_path
from dualtable.errors import RequestRefusedError

NAMES = st.sampled_from(["a", "lines", "näme", "with space", "with-dash", "0", "#k", ":v", "size"])
POSITIONS = st.sampled_from(["[0]", "[7]", "[10]", "[01]", "[-1]", "[x]", "[]", "[", "]", " "])
TEXTS = st.lists(NAMES | POSITIONS | st.just("."), min_size=1, max_size=6).map("".join)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("a", ("a",)),
        ("customer.region", ("customer", "region")),
        ("lines[0].sku", ("lines", 0, "sku")),
        ("m[1][20].a[3]", ("m", 1, 20, "a", 3)),
        ("with space.näme", ("with space", "näme")),
        ("0", ("0",)),
    ],
)
def test_a_path_and_its_text(text: str, steps: tuple[str | int, ...]) -> None:
    """Names and positions, and back to the same text."""
    assert document_path(text) == Path(steps)
    assert str(Path(steps)) == text


@given(TEXTS)
def test_it_is_what_a_filter_understands(text: str) -> None:
    """boto3 makes an expression of a path in its own way; both come to the same, or to nothing."""
    condition = filter_of(Attr(text).exists(), Placeholders({}, {}))
    try:
        tree = parse_condition(
            condition.expression, Placeholders(condition.names, condition.values)
        )
    except RequestRefusedError:
        assert document_path(text) is None
        return
    assert isinstance(tree, Exists)
    assert document_path(text) == tree.path
