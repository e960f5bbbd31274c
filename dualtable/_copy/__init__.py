"""_copy."""
