"""How far a run has come, beside the run.

In reading order:

- `shown`: from what an observer gets to a terminal or a log; owns `rich`

May know: everything below the command line, and its words.
"""
