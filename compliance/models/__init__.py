"""Tables of people, their rights, what happened and what is hidden."""

from compliance.models.events import AuditEvent, Code, Crude, Outcome
from compliance.models.people import Clearance, RoleAssignment, User
from compliance.models.vault import VaultEntry

__all__ = ["AuditEvent", "Clearance", "Code", "Crude", "Outcome", "RoleAssignment", "User", "VaultEntry"]
