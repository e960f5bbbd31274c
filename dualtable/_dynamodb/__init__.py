"""The way to DynamoDB: the port that all others use, and what is behind it.

In reading order:

- `gateway`: the port, its answers and errors; each method is one request
- `tables`: how a new table is made after an old one, and how two differ
- `partiql`: the text of a batched put-if-absent
- `parameters`: from the port's words to the API's parameters
- `answers`: from the API's answers to the port's
- `refusals`: from what AWS and its SDK refuse to errors of ours, in one table
- `fence`: a last look before a request leaves
- `client`: the SDK's client, speaking plain JSON; owns `aioboto3`
- `aws`: the port on that client
- `retry`: the port once more, trying again; owns `backoff`
- `connect`: where a use case gets its port from

May know: `_expressions`, `_wire`, `errors`. Only `connect` knows `aws`.
"""
