"""Tables of people, their rights, what happened and what is hidden."""

from compliance.models.events import ActorKind, AuditEvent, Code, Crude, Lane, Outcome
from compliance.models.notices import Notice
from compliance.models.people import Clearance, NoSeat, RoleAssignment, User
from compliance.models.seals import AuditPurge, AuditVerification, Seal, SealedEvent
from compliance.models.sessions import AccessEpoch, Session
from compliance.models.vault import VaultEntry

__all__ = [
    "AccessEpoch",
    "ActorKind",
    "AuditEvent",
    "AuditPurge",
    "AuditVerification",
    "Clearance",
    "Code",
    "Crude",
    "Lane",
    "NoSeat",
    "Notice",
    "Outcome",
    "RoleAssignment",
    "Seal",
    "SealedEvent",
    "Session",
    "User",
    "VaultEntry",
]
