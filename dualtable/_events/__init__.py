"""What a run tells of itself while it goes on: a small file of events, by the minute.

In reading order:

- `interval`: what some seconds of a run held, in numbers
- `measured`: the port, telling how long each request took
- `requests`: what is heard of requests, added up
- `told`: what a process has consumed, whatever its run is about
- `recorder`: tells of a run every few seconds
- `file`: the event file of one run, which no disk stops and no time makes large
- `metering`: from what is heard and told to metrics
- `operations`: what a repository measures
- `reading`: event files, read
- `verdict`: what held a run back
- `folder`: where the events of a migration are

May know: `_sharing`, `_control`, `_dynamodb`, `_transforms`, `_wire`, and what lies below.
"""
