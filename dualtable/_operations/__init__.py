"""What an operator does between the runs.

In reading order:

- `reference`: the user's migration by its name, ``module:attribute``
- `queries_wait`: whether production can query before the cut-over
- `creation`: the new table and the control table are made
- `status`: how a migration stands
- `rate`: ceilings are changed while it runs

May know: everything below the command line.
"""
