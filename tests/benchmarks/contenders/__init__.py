"""One module for each way to migrate; each has `migrate(url, old, new)`.

The rule: each is written as its library's documentation would have it, the fastest way that does
the job: put if absent, no item lost.
"""
