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
    CHECK_INTERACTIONS = "interactions.check"
    READ_INTERACTIONS = "interactions.read"
    EDIT_INTERACTIONS = "interactions.edit"
    APPROVE_INTERACTIONS = "interactions.approve"
    READ_LIBRARY = "library.read"
    EDIT_LIBRARY = "library.edit"
    READ_DRAFTS = "library.drafts"
    REVIEW_LIBRARY = "library.review"
    WITHDRAW_LIBRARY = "library.withdraw"
    READ_QUALITY = "library.quality"
    OWN_SETTINGS = "self.settings"
    ADMINISTER = "admin.use"
    READ_AUDIT = "audit.read"
    EXPORT_AUDIT = "audit.export"
    PURGE_AUDIT = "audit.purge"
    READ_STATUS = "status.read"
    READ_PEOPLE = "people.read"
    MANAGE_PEOPLE = "people.manage"
    REQUEST_ROLES = "roles.request"
    APPROVE_ROLES = "roles.approve"
    RECERTIFY = "roles.recertify"
    REVOKE_SESSIONS = "sessions.revoke"
    MANAGE_SERVICES = "services.manage"
    BLOCK_NETWORKS = "networks.block"
    BREAK_GLASS = "breakglass.take"
    REVIEW_BREAK_GLASS = "breakglass.review"
    READ_MASKING = "masking.read"
    MANAGE_MASKING = "masking.manage"
    READ_POLICY = "policy.read"
    TRAIN = "training.take"
    READ_TRAINING = "training.read"
    EXPORT_TRAINING = "training.export"
    MANAGE_TRAINING = "training.manage"
    REVOKE_CERTIFICATES = "training.revoke"
    READ_ITEMS = "training.items"
    DECIDE_ACCESS = "onboarding.decide"
    READ_ACCESS = "onboarding.read"
    SUSPEND_ACCESS = "onboarding.suspend"
    GIVE_FEEDBACK = "feedback.give"
    TRIAGE_FEEDBACK = "feedback.triage"
    READ_CONTROLS = "controls.read"
    RUN_CHECKS = "controls.run"
    ATTEST = "controls.attest"
    ASK_EXCEPTIONS = "exceptions.ask"
    DECIDE_EXCEPTIONS = "exceptions.decide"
    KEEP_REGISTERS = "registers.keep"
    APPROVE_RISKS = "risks.approve"
    REVIEW_AUDIT = "audit.review"
    KEEP_DISCLOSURES = "disclosures.keep"
    EXPORT_CONTROLS = "controls.export"
    READ_CONTINUITY = "continuity.read"
    MAKE_SNAPSHOTS = "snapshots.make"
    ASK_RESTORE = "restore.ask"
    APPROVE_RESTORE = "restore.approve"
    SWITCH_MAINTENANCE = "maintenance.switch"
    KEEP_HOLDS = "holds.keep"
    ERASE = "values.erase"


EVERY_ROLE = frozenset(Role)
_OVERSIGHT = frozenset({Role.PRIVACY_OFFICER, Role.SECURITY_OFFICER, Role.COMPLIANCE_MANAGER, Role.AUDITOR, Role.ADMIN})
_APPROVERS = frozenset(
    {Role.DEPARTMENT_HEAD, Role.PRIVACY_OFFICER, Role.SECURITY_OFFICER, Role.COMPLIANCE_MANAGER, Role.ADMIN}
)
"""Who decides on requests for access; in which stage is training.approvals.transitions' business."""
_OFFICERS = frozenset({Role.PRIVACY_OFFICER, Role.SECURITY_OFFICER, Role.COMPLIANCE_MANAGER})

POLICY: dict[Action, frozenset[Role]] = {
    Action.ASK: frozenset({Role.CLINICIAN, Role.DEPARTMENT_HEAD}),
    Action.CHECK_INTERACTIONS: frozenset({Role.CLINICIAN, Role.DEPARTMENT_HEAD}),
    Action.READ_INTERACTIONS: frozenset(
        {
            Role.KNOWLEDGE_EDITOR,
            Role.DEPARTMENT_HEAD,
            Role.COMPLIANCE_MANAGER,
            Role.OPERATOR,
            Role.AUDITOR,
            Role.ADMIN,
        }
    ),
    Action.EDIT_INTERACTIONS: frozenset({Role.KNOWLEDGE_EDITOR}),
    Action.APPROVE_INTERACTIONS: frozenset({Role.KNOWLEDGE_EDITOR, Role.DEPARTMENT_HEAD}),
    Action.READ_LIBRARY: EVERY_ROLE,
    Action.EDIT_LIBRARY: frozenset({Role.KNOWLEDGE_EDITOR}),
    Action.READ_DRAFTS: frozenset({Role.KNOWLEDGE_EDITOR, Role.DEPARTMENT_HEAD}),
    Action.REVIEW_LIBRARY: frozenset({Role.DEPARTMENT_HEAD}),
    Action.WITHDRAW_LIBRARY: frozenset({Role.KNOWLEDGE_EDITOR, Role.DEPARTMENT_HEAD}),
    Action.READ_QUALITY: frozenset(
        {
            Role.KNOWLEDGE_EDITOR,
            Role.DEPARTMENT_HEAD,
            Role.COMPLIANCE_MANAGER,
            Role.PRIVACY_OFFICER,
            Role.OPERATOR,
            Role.AUDITOR,
            Role.ADMIN,
        }
    ),
    Action.OWN_SETTINGS: EVERY_ROLE,
    Action.ADMINISTER: frozenset({Role.ADMIN}),
    Action.READ_AUDIT: _OVERSIGHT,
    Action.EXPORT_AUDIT: frozenset(
        {Role.PRIVACY_OFFICER, Role.SECURITY_OFFICER, Role.COMPLIANCE_MANAGER, Role.AUDITOR}
    ),
    Action.PURGE_AUDIT: frozenset({Role.PRIVACY_OFFICER, Role.SECURITY_OFFICER, Role.COMPLIANCE_MANAGER}),
    Action.READ_STATUS: frozenset({Role.OPERATOR, Role.SECURITY_OFFICER, Role.COMPLIANCE_MANAGER, Role.ADMIN}),
    Action.READ_PEOPLE: _OVERSIGHT | {Role.DEPARTMENT_HEAD},
    Action.MANAGE_PEOPLE: frozenset({Role.SECURITY_OFFICER, Role.ADMIN}),
    Action.REQUEST_ROLES: frozenset({Role.DEPARTMENT_HEAD, Role.SECURITY_OFFICER, Role.ADMIN}),
    Action.APPROVE_ROLES: frozenset({Role.SECURITY_OFFICER, Role.ADMIN}),
    Action.RECERTIFY: frozenset(
        {Role.DEPARTMENT_HEAD, Role.SECURITY_OFFICER, Role.COMPLIANCE_MANAGER, Role.PRIVACY_OFFICER, Role.ADMIN}
    ),
    Action.REVOKE_SESSIONS: frozenset({Role.SECURITY_OFFICER, Role.ADMIN}),
    Action.MANAGE_SERVICES: frozenset({Role.SECURITY_OFFICER, Role.ADMIN}),
    Action.BLOCK_NETWORKS: frozenset({Role.SECURITY_OFFICER, Role.ADMIN}),
    Action.BREAK_GLASS: frozenset({Role.CLINICIAN, Role.DEPARTMENT_HEAD}),
    Action.REVIEW_BREAK_GLASS: frozenset({Role.PRIVACY_OFFICER, Role.COMPLIANCE_MANAGER}),
    Action.READ_MASKING: frozenset(
        {Role.PRIVACY_OFFICER, Role.SECURITY_OFFICER, Role.COMPLIANCE_MANAGER, Role.AUDITOR}
    ),
    Action.MANAGE_MASKING: frozenset({Role.PRIVACY_OFFICER, Role.COMPLIANCE_MANAGER}),
    Action.READ_POLICY: _OVERSIGHT | {Role.OPERATOR},
    Action.TRAIN: EVERY_ROLE,
    Action.READ_TRAINING: _OVERSIGHT | {Role.DEPARTMENT_HEAD},
    Action.EXPORT_TRAINING: frozenset({Role.PRIVACY_OFFICER, Role.COMPLIANCE_MANAGER, Role.AUDITOR}),
    Action.MANAGE_TRAINING: frozenset({Role.DEPARTMENT_HEAD, Role.COMPLIANCE_MANAGER}),
    Action.REVOKE_CERTIFICATES: frozenset({Role.PRIVACY_OFFICER, Role.COMPLIANCE_MANAGER}),
    Action.READ_ITEMS: frozenset({Role.COMPLIANCE_MANAGER, Role.KNOWLEDGE_EDITOR, Role.AUDITOR}),
    Action.DECIDE_ACCESS: _APPROVERS,
    Action.READ_ACCESS: _APPROVERS | {Role.AUDITOR},
    Action.SUSPEND_ACCESS: _APPROVERS - {Role.ADMIN},
    Action.GIVE_FEEDBACK: EVERY_ROLE,
    Action.TRIAGE_FEEDBACK: frozenset({Role.PRIVACY_OFFICER, Role.COMPLIANCE_MANAGER, Role.KNOWLEDGE_EDITOR}),
    Action.READ_CONTROLS: _OVERSIGHT | {Role.OPERATOR},
    Action.RUN_CHECKS: _OFFICERS | {Role.OPERATOR},
    Action.ATTEST: _OFFICERS,
    Action.ASK_EXCEPTIONS: _OFFICERS,
    Action.DECIDE_EXCEPTIONS: _OFFICERS,
    Action.KEEP_REGISTERS: _OFFICERS,
    Action.APPROVE_RISKS: frozenset({Role.SECURITY_OFFICER, Role.COMPLIANCE_MANAGER}),
    Action.REVIEW_AUDIT: _OFFICERS,
    Action.KEEP_DISCLOSURES: frozenset({Role.PRIVACY_OFFICER, Role.COMPLIANCE_MANAGER}),
    Action.EXPORT_CONTROLS: _OFFICERS | {Role.AUDITOR},
    Action.READ_CONTINUITY: _OVERSIGHT | {Role.OPERATOR},
    Action.MAKE_SNAPSHOTS: frozenset({Role.OPERATOR, Role.SECURITY_OFFICER, Role.ADMIN}),
    Action.ASK_RESTORE: frozenset({Role.OPERATOR, Role.SECURITY_OFFICER, Role.ADMIN}),
    Action.APPROVE_RESTORE: frozenset({Role.SECURITY_OFFICER, Role.COMPLIANCE_MANAGER, Role.ADMIN}),
    Action.SWITCH_MAINTENANCE: frozenset({Role.OPERATOR, Role.SECURITY_OFFICER, Role.ADMIN}),
    Action.KEEP_HOLDS: frozenset({Role.PRIVACY_OFFICER, Role.COMPLIANCE_MANAGER}),
    Action.ERASE: frozenset({Role.PRIVACY_OFFICER, Role.COMPLIANCE_MANAGER}),
}

NEEDS_CLEARANCE = frozenset({Action.ASK, Action.CHECK_INTERACTIONS, Action.BREAK_GLASS, Action.REVIEW_LIBRARY})
"""Actions a role alone does not open: training and approval must be complete and in date."""

CLINICAL = frozenset({Role.CLINICIAN, Role.DEPARTMENT_HEAD})
"""Roles an administrator never holds beside their own: who rules the system does not ask about patients in it."""
MOST_ADMINISTRATORS = 2

PURPOSES: dict[Action, str] = {
    Action.ASK: "TREAT",
    Action.CHECK_INTERACTIONS: "TREAT",
    Action.ADMINISTER: "HSYSADMIN",
    Action.READ_AUDIT: "HCOMPL",
    Action.EXPORT_AUDIT: "HCOMPL",
    Action.PURGE_AUDIT: "HCOMPL",
    Action.READ_PEOPLE: "HSYSADMIN",
    Action.MANAGE_PEOPLE: "HSYSADMIN",
    Action.REQUEST_ROLES: "HSYSADMIN",
    Action.APPROVE_ROLES: "HSYSADMIN",
    Action.RECERTIFY: "HCOMPL",
    Action.REVOKE_SESSIONS: "HSYSADMIN",
    Action.MANAGE_SERVICES: "HSYSADMIN",
    Action.BLOCK_NETWORKS: "HSYSADMIN",
    Action.BREAK_GLASS: "BTG",
    Action.REVIEW_BREAK_GLASS: "HCOMPL",
    Action.READ_MASKING: "HCOMPL",
    Action.MANAGE_MASKING: "HCOMPL",
    Action.READ_TRAINING: "HCOMPL",
    Action.EXPORT_TRAINING: "HCOMPL",
    Action.MANAGE_TRAINING: "HCOMPL",
    Action.REVOKE_CERTIFICATES: "HCOMPL",
    Action.READ_ITEMS: "HCOMPL",
    Action.DECIDE_ACCESS: "HSYSADMIN",
    Action.READ_ACCESS: "HCOMPL",
    Action.SUSPEND_ACCESS: "HSYSADMIN",
    Action.TRIAGE_FEEDBACK: "HCOMPL",
    Action.READ_CONTROLS: "HCOMPL",
    Action.RUN_CHECKS: "HCOMPL",
    Action.ATTEST: "HCOMPL",
    Action.ASK_EXCEPTIONS: "HCOMPL",
    Action.DECIDE_EXCEPTIONS: "HCOMPL",
    Action.KEEP_REGISTERS: "HCOMPL",
    Action.APPROVE_RISKS: "HCOMPL",
    Action.REVIEW_AUDIT: "HCOMPL",
    Action.KEEP_DISCLOSURES: "HCOMPL",
    Action.EXPORT_CONTROLS: "HCOMPL",
    Action.READ_CONTINUITY: "HSYSADMIN",
    Action.MAKE_SNAPSHOTS: "HSYSADMIN",
    Action.ASK_RESTORE: "HSYSADMIN",
    Action.APPROVE_RESTORE: "HSYSADMIN",
    Action.SWITCH_MAINTENANCE: "HSYSADMIN",
    Action.KEEP_HOLDS: "HCOMPL",
    Action.ERASE: "HCOMPL",
}
"""Purpose of use of what is done behind a door, for the audit trail (HL7 v3 PurposeOfUse): treatment, health system
administration, health compliance, break the glass. Actions that touch no patient's data have none."""


class UnknownAction(LookupError):
    """The action is not in the policy. Nobody may do what nobody has decided about."""


def permitted_roles(action: Action) -> frozenset[Role]:
    """The roles that may do `action`. Raises UnknownAction rather than answering for one it does not know."""
    try:
        return POLICY[Action(action)]
    except (KeyError, ValueError):
        raise UnknownAction(action) from None
