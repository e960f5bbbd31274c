"""The text of a batched put-if-absent: ``INSERT INTO "table" VALUE {'name': ?, …}``.

The rule: items with the same attribute names share one statement, and an item whose statement
DynamoDB might not take has none: it goes by a conditional ``PutItem``.
"""

from __future__ import annotations

import functools

from dualtable._wire.layouts import is_arn

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchStatementRequest.html
MAX_STATEMENT_CHARACTERS = 8192


@functools.lru_cache(maxsize=4096)
def insert_statement(table: str, names: tuple[str, ...]) -> str | None:
    """Return the statement for items with these names; None where it cannot be one.

    A table that is given by its ARN has none, since PartiQL knows no ARNs. Names with a quote have
    none: servers differ in how they read a doubled one. Nor have those that begin as placeholders
    do: as the partition key, DynamoDB Local takes them for one.
    """
    if is_arn(table) or '"' in table or any(map(_is_misread, names)):
        return None
    members = ", ".join(f"'{name}': ?" for name in names)
    statement = f'INSERT INTO "{table}" VALUE {{{members}}}'
    return statement if len(statement) <= MAX_STATEMENT_CHARACTERS else None


def _is_misread(name: str) -> bool:
    return name.startswith(("#", ":")) or "'" in name or '"' in name
