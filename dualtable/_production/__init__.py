"""What production imports: two tables as if they were one.

In reading order:

- `repository`: `DualTableRepository`, every operation
- `opened`: how it comes to its tables, and lets go of them
- `exchange`: from a caller's words to the wire form and back, checked before anything is sent
- `iterators`: what a query or scan gives to its caller
- `overlay`: what the logical item of a key is, and what a write that builds on it must check
- `reads`: where a miss is confirmed and a fallback read is decided (I1)
- `old_writes`: what a write to `old` is, and what it compares, in the entry phases (I9)
- `logical`: where a write goes, and what it must check (I4)
- `judged_writes`: puts, updates and deletes that depend on what is there
- `transactions`: several logical items, written or read at one moment
- `planned_steps`: one step of a transaction: what is sent for it, and why it was cancelled
- `client_tokens`: a caller's token for a transaction, by which it is known again
- `shadow`: whether what a hit finds is what the old table yields, off the caller's path
- `copy_on_read`: what a fallback found, put into the new table in passing

May know: `_reading` and the rooms below it; never the copy.
"""
