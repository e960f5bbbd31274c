"""What tests of a migration need: DynamoDB in memory, and a real server on this machine."""

from dualtable.testing.faults import Faults
from dualtable.testing.local import local_dynamodb
from dualtable.testing.memory import MemoryGateway

__all__ = ["Faults", "MemoryGateway", "local_dynamodb"]
