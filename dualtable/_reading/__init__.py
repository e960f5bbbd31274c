"""Many logical items, one after the other: queries and scans, read page by page.

In reading order:

- `iteration`: what a query or scan gives to its caller
- `scans`: a scan of both tables: every key once
- `pass_by_partitions`: its pass over `old` where both tables have the same keys, in their order
- `pass_by_keys`: its pass over `old` where they have not
- `pass_over_new`: its pass over `new`, without what has been brought
- `places`: where a scan is
- `queries`: a query of both tables
- `query_parts`: what each of them has for it, and where it is
- `indexes`: what an index shows of a table's items
- `streams`: items from pages, and two streams merged in order
- `offers`: what `old` has for a key, and what becomes of an item that cannot be read
- `starting_keys`: where it goes on behind a key
- `tokens`: where it goes on in another process
- `tables`: what all of this needs of the two tables

May know: `_control`, `_dynamodb`, `_expressions`, `_transforms`, `_wire`; never the copy.
"""
