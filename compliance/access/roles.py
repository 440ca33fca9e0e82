"""The policy: who may do what. This table is the policy; there is no other."""

from __future__ import annotations

from enum import StrEnum

from django.db.models import TextChoices


class Role(TextChoices):
    CLINICIAN = "clinician", "Clinician"
    DEPARTMENT_HEAD = "department_head", "Department head"
    PRIVACY_OFFICER = "privacy_officer", "Privacy officer"
    SECURITY_OFFICER = "security_officer", "Security officer"
    COMPLIANCE_MANAGER = "compliance_manager", "Compliance manager"
    KNOWLEDGE_EDITOR = "knowledge_editor", "Knowledge editor"
    OPERATOR = "operator", "Operator"
    AUDITOR = "auditor", "Auditor"
    ADMIN = "admin", "Administrator"


class Action(StrEnum):
    ASK = "chat.ask"
    READ_LIBRARY = "library.read"
    EDIT_LIBRARY = "library.edit"
    OWN_SETTINGS = "self.settings"
    ADMINISTER = "admin.use"
    READ_AUDIT = "audit.read"
    EXPORT_AUDIT = "audit.export"
    PURGE_AUDIT = "audit.purge"
    READ_STATUS = "status.read"


EVERY_ROLE = frozenset(Role)

POLICY: dict[Action, frozenset[Role]] = {
    Action.ASK: frozenset({Role.CLINICIAN, Role.DEPARTMENT_HEAD}),
    Action.READ_LIBRARY: EVERY_ROLE,
    Action.EDIT_LIBRARY: frozenset({Role.KNOWLEDGE_EDITOR}),
    Action.OWN_SETTINGS: EVERY_ROLE,
    Action.ADMINISTER: frozenset({Role.ADMIN}),
    Action.READ_AUDIT: frozenset(
        {Role.PRIVACY_OFFICER, Role.SECURITY_OFFICER, Role.COMPLIANCE_MANAGER, Role.AUDITOR, Role.ADMIN}
    ),
    Action.EXPORT_AUDIT: frozenset(
        {Role.PRIVACY_OFFICER, Role.SECURITY_OFFICER, Role.COMPLIANCE_MANAGER, Role.AUDITOR}
    ),
    Action.PURGE_AUDIT: frozenset({Role.PRIVACY_OFFICER, Role.SECURITY_OFFICER, Role.COMPLIANCE_MANAGER}),
    Action.READ_STATUS: frozenset({Role.OPERATOR, Role.SECURITY_OFFICER, Role.COMPLIANCE_MANAGER, Role.ADMIN}),
}

NEEDS_CLEARANCE = frozenset({Action.ASK})
"""Actions a role alone does not open: training and approval must be complete and in date."""


PURPOSES: dict[Action, str] = {
    Action.ASK: "TREAT",
    Action.ADMINISTER: "HSYSADMIN",
    Action.READ_AUDIT: "HCOMPL",
    Action.EXPORT_AUDIT: "HCOMPL",
    Action.PURGE_AUDIT: "HCOMPL",
}
"""Purpose of use of what is done behind a door, for the audit trail (HL7 v3 PurposeOfUse): treatment, health system
administration, health compliance. Actions that touch no patient's data have none."""


class UnknownAction(LookupError):
    """The action is not in the policy. Nobody may do what nobody has decided about."""


def permitted_roles(action: Action) -> frozenset[Role]:
    """The roles that may do `action`. Raises UnknownAction rather than answering for one it does not know."""
    try:
        return POLICY[Action(action)]
    except (KeyError, ValueError):
        raise UnknownAction(action) from None
