"""What an operator does between the runs.

In reading order:

- `reference`: the user's migration by its name, ``module:attribute``
- `trial`: what the transform makes of some real items
- `creation`: the new table and the control table are made, and whether queries must wait
- `expiry`: by which attribute items shall expire in the new table
- `facts`: all that a gate is judged from, some items of the old table among it
- `gates`: what must be so before the next phase, and how it stands
- `lifecycle`: `Lifecycle`: from phase to phase, one gate after the other
- `precautions`: what speaks against a copy that could begin
- `freezing`: nobody writes to the old table, by the table's own policy
- `sweep`: one process's part of a cleanup
- `cleanup`: after the end: tombstones are swept, and write tokens on request
- `code_check`: what in a user's source goes past the repository
- `code_texts`: which texts a name in a source may stand for
- `rate`: ceilings are changed while it runs, a pause included

May know: everything below the command line.
"""
