"""The report: what a migration did, minute by minute, as one page that needs nothing else.

In reading order:

- `slots`: the intervals of all processes, laid on one line of time
- `findings`: what held the migration back, and where it sank
- `totals`: what it came to, and what it cost against the plan
- `letters`: the dead letters, counted
- `charts`: what the slots look like; owns `pygal`
- `sections`: the parts of the page, one function each
- `rehearsals`: the part about dry runs
- `proofs`: the part about the verification
- `sweeps`: the part about the cleanup
- `page`: the page: HTML, light and dark, for a desk and for a phone
- `writing`: `write_report`: reads all this, and writes the page

May know: `_telling`, `_planning`, `_operations`, `_events`, `_control`, `_transforms`, `errors`.
"""
