"""What the command line says, to people and to machines.

In reading order:

- `words`: numbers, keys and columns as people read them
- `terminal`: what may reach a terminal: text, and nothing that it acts upon
- `guesses`: what a mistyped word may have meant
- `answers`: what is no report of the library's as it is
- `forms`: what a machine is told, and the schema that says so
- `limits`: of the ceilings that all migrators share
- `gates`: of gates and phases
- `plans`: of a plan
- `trials`: of items on which the transform was tried
- `creations`: of a table that has been made
- `copies`: of a copy that has ended, and of its dead letters
- `proofs`: of a verification, a sample, a repair
- `listings`: of the migrations of a control table, and of a file that begins one
- `statuses`: of how a migration stands

May know: everything below the command line; it says what others did, and does nothing itself.
"""
