"""The proof that everything has arrived.

In reading order:

- `verifier`: `Verifier`: settings, start and end
- `findings`: what may be found, and the report
- `recording`: what a gate gets to know of it
- `comparison`: both tables, page by page, and how an item is judged

May know: `_copy`, `_control`, `_dynamodb`, `_transforms`, `_wire`.
"""
