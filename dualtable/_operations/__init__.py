"""_operations."""
