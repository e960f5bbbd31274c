"""What a migration will take, told before it is begun: units, time, money, and what will fail.

In reading order:

- `sampling`: pages of random segments of the old table, and what reading them may cost at most
- `survey`: what the transform makes of a sample, item by item
- `failures`: what is likely to become a dead letter, by its reason
- `extrapolation`: from a sample to the table, as ranges
- `readings`: the read units of a copy, a verification, a restart
- `prices`: what a unit costs, by date, region and source; the numbers are in `prices.json`
- `choices`: capacities to choose from: how long, how dear, and which one is recommended
- `plan`: `Plan`: what an operator reads
- `warnings`: what to know before one begins
- `draft`: the file of a migration, written from what the old table says of itself
- `planner`: `Planner`: describes both tables, reads the sample, says the rest
- `steps`: the commands of the migration, in their order

May know: everything below the command line but `_production`; it reads and never writes.
"""
