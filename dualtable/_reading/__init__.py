"""Many logical items, one after the other: queries and scans, read page by page.

In reading order:

- `iteration`: what a query or scan gives to its caller
- `queries`: a query of both tables
- `scans`: a scan of both tables: every key once
- `streams`: items from pages, and two streams merged in order
- `tokens`: where it goes on in another process
- `tables`: what all of this needs of the two tables

May know: `_control`, `_dynamodb`, `_expressions`, `_transforms`, `_wire`; never the copy.
"""
