"""_expressions."""
