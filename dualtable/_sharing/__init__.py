"""Work on a table that several processes share: in segments, under one ceiling.

A copy and a verification are such work. Who takes part in it is a member of its run.

In reading order:

- `crew`: the workers of one process, and how they stop
- `held`: a segment in hand: its pages are settled
- `known`: the segments that anybody has worked on, and their sums
- `board`: which segment is next, and by whom
- `roster`: who is at work, as one process has seen it
- `heard`: who is at work, for somebody who comes from elsewhere
- `membership`: that a process still belongs to the run with which it began
- `shares`: which part of a ceiling each of several migrators takes
- `limits`: the ceilings that all processes share, changed while they run
- `costs`: what reads will cost, by what such reads have cost
- `retries`: what was sent again, and for want of what
- `throttle`: a callable of the user's that lets a migrator stand still
- `stages`: for how long somebody has been at what
- `process`: what a run changes of its process: signals, and the garbage collector

May know: `_control`, `_dynamodb`, `_transforms`, `_wire`, `errors`, `_clock`, `_tasks`.
"""
