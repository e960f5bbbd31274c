"""The proof that everything has arrived.

In reading order:

- `verifier`: `Verifier`: settings, start and end
- `estimate`: what it will cost
- `tables`: the two tables, and how they are read
- `shared`: one verification that several processes share: what they have agreed on
- `findings`: what may be found, and the report
- `passes`: over both tables, segment by segment
- `comparison`: a page of each table, and how an item is judged
- `reader`: reads one table as fast as it may
- `repair`: copies what is missing
- `mending`: copies again what differs, by its key
- `reporting`: from what was found in all segments to the report
- `telling`: what it tells while it goes on: events, metrics
- `sampling`: a quick look at some items, and what follows for all
- `recording`: what a gate gets to know of it

May know: `_copy`, `_events`, `_sharing`, `_control`, `_dynamodb`, `_transforms`, `_wire`.
"""
