"""The way to DynamoDB: the port that all others use, and what is behind it.

In reading order:

- `gateway`: the port, its answers and errors; each method is one request
- `tables`: how a new table is made after an old one, and how two differ
- `parameters`: from the port's words to the API's parameters and statements, and from its answers
  back
- `bodies`: DynamoDB's JSON, as it goes out and comes in
- `endpoints`: where requests go, by URL, and how a URL is told
- `refusals`: from what AWS and its SDK refuse to errors of ours, in one table
- `fence`: a last look before a request leaves
- `signature`: the signature of a request where most of it stays the same
- `lean`: a request as the SDK would send it, without the SDK's machinery; owns `aiohttp`
- `client`: the SDK's client, speaking plain JSON, and the way past it; owns `aioboto3`
- `aws`: the port on that client
- `retry`: the port once more, trying again; owns `backoff`
- `connect`: where a use case gets its port from
- `objects`: objects in S3, through the same session

May know: `_expressions`, `_wire`, `_clock`, `errors`. Only `connect` knows `aws`.
"""
