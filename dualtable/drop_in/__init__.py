"""The repository behind the interface of aioboto3's ``Table``, for code that knows that one."""

from dualtable.drop_in._client import Client
from dualtable.drop_in._table import Table

__all__ = ["Client", "Table"]
