"""The repository, and a table as boto3's, for code that is not asynchronous: blocking methods."""

from dualtable.sync._iterator import ItemIterator
from dualtable.sync._repository import DualTableRepository
from dualtable.sync._table import Table

__all__ = ["DualTableRepository", "ItemIterator", "Table"]
