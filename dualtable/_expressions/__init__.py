"""DynamoDB's expressions: from text to trees that judge, change or cut an item here.

Pure. A caller's expression is both sent to the server and judged on items that only the old table
has, so both must come to the same.

In reading order:

- `texts`: an expression as it is sent, with its names and values
- `reserved_words`: the words that no expression may use as a bare name
- `grammar`: words, placeholders, names and paths
- `conditions`: a condition as a tree, judged on an item
- `projections`: parts of an item, by their paths
- `updates`: an update as a tree, applied to an item
- `parser`: from text to those trees
- `key_conditions`: the key condition of a query: a partition and a range in it
- `boto3_conditions`: boto3's ``Key`` and ``Attr`` as expressions; owns `boto3`
- `actions`: what a transaction is made of, as a caller writes it
- `requests`: what a caller asks, checked, with the library's own conditions beside it

May know: `_wire`, `errors`.
"""
