"""Tables of people, their rights, what happened and what is hidden."""

from compliance.models.events import ActorKind, AuditEvent, Code, Crude, Lane, Outcome
from compliance.models.people import Clearance, RoleAssignment, User
from compliance.models.seals import AuditPurge, AuditVerification, Seal, SealedEvent
from compliance.models.vault import VaultEntry

__all__ = [
    "ActorKind",
    "AuditEvent",
    "AuditPurge",
    "AuditVerification",
    "Clearance",
    "Code",
    "Crude",
    "Lane",
    "Outcome",
    "RoleAssignment",
    "Seal",
    "SealedEvent",
    "User",
    "VaultEntry",
]
