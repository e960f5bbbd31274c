"""What tests of a migration need: DynamoDB in memory, and a real server on this machine."""

from dualtable.testing._faults import Faults
from dualtable.testing._local import local_dynamodb
from dualtable.testing._memory import MemoryGateway

__all__ = ["Faults", "MemoryGateway", "local_dynamodb"]
