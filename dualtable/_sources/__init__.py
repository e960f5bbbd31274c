"""What user code amounts to before it runs: its text, what it holds, and which package it is of.

Nothing of it is called; a module of its own package is imported where it would import that itself.

In reading order:

- `texts`: functions and classes as they are written in their files
- `packages`: which package something is of, and what is imported of the own one
- `classes`: what functions and classes hold beside their text
- `values`: what Python's own values and other objects are made of

May know: `errors`.
"""
