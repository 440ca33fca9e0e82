"""Tables of people, their rights, what happened and what is hidden."""

from compliance.models.continuity import (
    Backup,
    DataKey,
    Drill,
    Erasure,
    IntegrityRun,
    LegalHold,
    Maintenance,
    PlannedMaintenance,
    Purge,
    Restore,
    WalShipping,
)
from compliance.models.controls import (
    Attestation,
    CatalogueVersion,
    CheckSchedule,
    ControlException,
    ControlOwner,
    ControlResult,
    ControlStatus,
    Official,
)
from compliance.models.emergency import BreakGlass
from compliance.models.events import ActorKind, AuditEvent, Code, Crude, Lane, Outcome
from compliance.models.factors import Authenticator, OneTimeLink
from compliance.models.masking import MaskReport, MaskTerm
from compliance.models.networks import KnownPlace, NetworkBlock
from compliance.models.notices import Notice
from compliance.models.people import Clearance, NoSeat, RoleAssignment, User
from compliance.models.policies import PolicyAcknowledgement, PolicyVersion
from compliance.models.recertification import Campaign, CampaignItem
from compliance.models.registers import (
    Agreement,
    Amendment,
    Asset,
    AuditReview,
    Disclosure,
    Exercise,
    Risk,
    RiskApproval,
    Vendor,
)
from compliance.models.remarks import Remark
from compliance.models.reports import Finding, MonthlyReport, ScanRun
from compliance.models.role_requests import RoleRequest
from compliance.models.seals import AuditPurge, AuditVerification, Seal, SealedEvent
from compliance.models.sessions import AccessEpoch, Session
from compliance.models.tokens import ServiceToken, TokenFamily
from compliance.models.vault import VaultEntry

__all__ = [
    "AccessEpoch",
    "ActorKind",
    "Agreement",
    "Amendment",
    "Asset",
    "Attestation",
    "AuditEvent",
    "AuditPurge",
    "AuditReview",
    "AuditVerification",
    "Authenticator",
    "Backup",
    "BreakGlass",
    "Campaign",
    "CampaignItem",
    "CatalogueVersion",
    "CheckSchedule",
    "Clearance",
    "Code",
    "ControlException",
    "ControlOwner",
    "ControlResult",
    "ControlStatus",
    "Crude",
    "DataKey",
    "Disclosure",
    "Drill",
    "Erasure",
    "Exercise",
    "Finding",
    "IntegrityRun",
    "KnownPlace",
    "Lane",
    "LegalHold",
    "Maintenance",
    "MaskReport",
    "MaskTerm",
    "MonthlyReport",
    "NetworkBlock",
    "NoSeat",
    "Notice",
    "Official",
    "OneTimeLink",
    "Outcome",
    "PlannedMaintenance",
    "PolicyAcknowledgement",
    "PolicyVersion",
    "Purge",
    "Remark",
    "Restore",
    "Risk",
    "RiskApproval",
    "RoleAssignment",
    "RoleRequest",
    "ScanRun",
    "Seal",
    "SealedEvent",
    "ServiceToken",
    "Session",
    "TokenFamily",
    "User",
    "VaultEntry",
    "Vendor",
    "WalShipping",
]
