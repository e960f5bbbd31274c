"""How much CPU and memory a migration costs its client, beside other ways to do the same.

The rule: everybody does the same work on the same server in the same run, and it is checked that
they did; only ratios within one run are worth anything. `nox -s bench` runs all of it.
"""
