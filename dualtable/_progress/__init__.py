"""How far a run has come, beside the run.

In reading order:

- `readings`: what a run says of itself at one moment
- `meter`: what follows from the readings of the last minute: rates, time left
- `lines`: how that reads, for a log, a terminal, a machine
- `shown`: where it goes, and how often; owns `rich`

May know: everything below the command line, and its words.
"""
