"""How migrations stand, for whoever looks at them from anywhere.

In reading order:

- `status`: how one stands, in full
- `nexts`: what an operator does next, in each state
- `listing`: all of a control table, in brief

May know: everything below the planning; it only reads.
"""
