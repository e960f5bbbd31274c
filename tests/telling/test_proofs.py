"""What an operator reads of a verification."""

from __future__ import annotations

import orders

from dualtable import VerificationReport
from dualtable._proof.findings import Example
from dualtable._telling.proofs import verification_text

PLAN = orders.migration("shop")


def test_a_change_of_the_old_table_comes_before_all_else() -> None:
    """The only finding that says that the migration's one assumption does not hold."""
    report = VerificationReport(
        level="content",
        checked=9,
        different=1,
        changed_old=2,
        examples=(
            Example(kind="different", key={"id": "o-1"}, paths=("total",)),
            Example(kind="changed_old", key={"id": "o-2"}, paths=("note",), reason="why"),
            Example(kind="changed_old", key={}, reason="which, cannot be told"),
        ),
    )
    lines = verification_text(report, PLAN, "shop:plan")
    assert "content NOT verified" in lines[0]
    assert "  CHANGED IN THE OLD TABLE  2" in lines
    assert "  changed in the old table: id='o-2': at note: why" in lines
    assert "  changed in the old table: which, cannot be told" in lines
    advice = lines.index(next(line for line in lines if line.startswith("The old table has been")))
    assert "dualtable migrate shop:plan --restart" in lines[advice]
    assert lines[advice + 1].startswith("Next: find out what wrote what is different")
    assert "or to the old table" in lines[advice + 1]
