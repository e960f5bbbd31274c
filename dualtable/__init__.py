"""Change the format of a DynamoDB table without downtime.

The rule: a name brings in its own module and what that needs, when it is first asked for. So what
production imports starts without planner, verifier and report.
"""

import importlib
from typing import TYPE_CHECKING, Any

from dualtable.errors import DualTableError

if TYPE_CHECKING:
    from dualtable._control.letters import DeadLetter
    from dualtable._control.phases import Phase
    from dualtable._copy.migrator import Migrator
    from dualtable._copy.report import MigrationProgress, MigrationReport, RetryReport
    from dualtable._copy.retrying import retry_dead_letters
    from dualtable._expressions.actions import ConditionCheck, Delete, Get, Put, Update
    from dualtable._operations.cleanup import clean_up
    from dualtable._operations.creation import CreationReport, create_table
    from dualtable._operations.freezing import FreezeReport, freeze
    from dualtable._operations.gates import Gate, GateCondition
    from dualtable._operations.lifecycle import Lifecycle
    from dualtable._operations.sweep import CleanupProgress, CleanupReport
    from dualtable._operations.trial import Trial, try_transform
    from dualtable._planning.extrapolation import Estimate
    from dualtable._planning.plan import Plan
    from dualtable._planning.planner import Planner
    from dualtable._planning.prices import Prices
    from dualtable._production.repository import DualTableRepository
    from dualtable._production.shadow import ShadowCounts
    from dualtable._proof.findings import VerificationProgress, VerificationReport
    from dualtable._proof.sampling import SampleReport
    from dualtable._proof.verifier import Verifier
    from dualtable._reading.iteration import ItemIterator
    from dualtable._report.writing import ReportWritten, write_report
    from dualtable._standing.status import MigrationStatus, read_dead_letters, read_status
    from dualtable._transforms.chain import Chain
    from dualtable._transforms.migration import Migration
    from dualtable._transforms.models import ModelTransform
    from dualtable._transforms.steps import Convert, Default, Drop, Move, Rename
    from dualtable._transforms.transform import Transform
    from dualtable._wire.layouts import Index, KeyAttribute, KeySchema

__all__ = [
    "Chain",
    "CleanupProgress",
    "CleanupReport",
    "ConditionCheck",
    "Convert",
    "CreationReport",
    "DeadLetter",
    "Default",
    "Delete",
    "Drop",
    "DualTableError",
    "DualTableRepository",
    "Estimate",
    "FreezeReport",
    "Gate",
    "GateCondition",
    "Get",
    "Index",
    "ItemIterator",
    "KeyAttribute",
    "KeySchema",
    "Lifecycle",
    "Migration",
    "MigrationProgress",
    "MigrationReport",
    "MigrationStatus",
    "Migrator",
    "ModelTransform",
    "Move",
    "Phase",
    "Plan",
    "Planner",
    "Prices",
    "Put",
    "Rename",
    "ReportWritten",
    "RetryReport",
    "SampleReport",
    "ShadowCounts",
    "Transform",
    "Trial",
    "Update",
    "VerificationProgress",
    "VerificationReport",
    "Verifier",
    "clean_up",
    "create_table",
    "freeze",
    "read_dead_letters",
    "read_status",
    "retry_dead_letters",
    "try_transform",
    "write_report",
]

_MODULES = {
    "dualtable._control.letters": ("DeadLetter",),
    "dualtable._control.phases": ("Phase",),
    "dualtable._copy.migrator": ("Migrator",),
    "dualtable._copy.report": ("MigrationProgress", "MigrationReport", "RetryReport"),
    "dualtable._copy.retrying": ("retry_dead_letters",),
    "dualtable._expressions.actions": ("ConditionCheck", "Delete", "Get", "Put", "Update"),
    "dualtable._operations.cleanup": ("clean_up",),
    "dualtable._operations.creation": ("CreationReport", "create_table"),
    "dualtable._operations.freezing": ("FreezeReport", "freeze"),
    "dualtable._operations.gates": ("Gate", "GateCondition"),
    "dualtable._operations.lifecycle": ("Lifecycle",),
    "dualtable._operations.sweep": ("CleanupProgress", "CleanupReport"),
    "dualtable._operations.trial": ("Trial", "try_transform"),
    "dualtable._planning.extrapolation": ("Estimate",),
    "dualtable._planning.plan": ("Plan",),
    "dualtable._planning.planner": ("Planner",),
    "dualtable._planning.prices": ("Prices",),
    "dualtable._production.repository": ("DualTableRepository",),
    "dualtable._production.shadow": ("ShadowCounts",),
    "dualtable._proof.findings": ("VerificationProgress", "VerificationReport"),
    "dualtable._proof.sampling": ("SampleReport",),
    "dualtable._proof.verifier": ("Verifier",),
    "dualtable._reading.iteration": ("ItemIterator",),
    "dualtable._report.writing": ("ReportWritten", "write_report"),
    "dualtable._standing.status": ("MigrationStatus", "read_dead_letters", "read_status"),
    "dualtable._transforms.chain": ("Chain",),
    "dualtable._transforms.migration": ("Migration",),
    "dualtable._transforms.models": ("ModelTransform",),
    "dualtable._transforms.steps": ("Convert", "Default", "Drop", "Move", "Rename"),
    "dualtable._transforms.transform": ("Transform",),
    "dualtable._wire.layouts": ("Index", "KeyAttribute", "KeySchema"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
