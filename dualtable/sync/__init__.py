"""The repository for code that is not asynchronous: the same methods, blocking."""

from dualtable.sync._repository import DualTableRepository, ItemIterator

__all__ = ["DualTableRepository", "ItemIterator"]
