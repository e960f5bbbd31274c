"""Calls that a plain table and the drop-in must answer alike, by operation.

Each is a name, the operation, and its parameters; ``K`` is the item whose placement changes. A
client's operation begins with ``client.``, and ``TABLE`` in it stands for the table's name,
``OTHER_TABLE`` for that of one that nobody migrates. A ``program`` makes several calls.
"""

from __future__ import annotations

from drop_in_cases.batches import BATCHES
from drop_in_cases.expressions import EXPRESSIONS
from drop_in_cases.pages import PAGES
from drop_in_cases.paginators import PAGINATORS
from drop_in_cases.programs import PROGRAMS
from drop_in_cases.single import SINGLE
from drop_in_cases.transactions import TRANSACTIONS

CASES = [*SINGLE, *EXPRESSIONS, *PAGES, *BATCHES, *TRANSACTIONS, *PROGRAMS, *PAGINATORS]
