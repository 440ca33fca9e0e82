"""Tables of people, their rights, what happened and what is hidden."""

from compliance.models.emergency import BreakGlass
from compliance.models.events import ActorKind, AuditEvent, Code, Crude, Lane, Outcome
from compliance.models.factors import Authenticator, OneTimeLink
from compliance.models.masking import MaskReport, MaskTerm
from compliance.models.networks import KnownPlace, NetworkBlock
from compliance.models.notices import Notice
from compliance.models.people import Clearance, NoSeat, RoleAssignment, User
from compliance.models.policies import PolicyAcknowledgement, PolicyVersion
from compliance.models.recertification import Campaign, CampaignItem
from compliance.models.remarks import Remark
from compliance.models.role_requests import RoleRequest
from compliance.models.seals import AuditPurge, AuditVerification, Seal, SealedEvent
from compliance.models.sessions import AccessEpoch, Session
from compliance.models.tokens import ServiceToken, TokenFamily
from compliance.models.vault import VaultEntry

__all__ = [
    "AccessEpoch",
    "ActorKind",
    "AuditEvent",
    "AuditPurge",
    "AuditVerification",
    "Authenticator",
    "BreakGlass",
    "Campaign",
    "CampaignItem",
    "Clearance",
    "Code",
    "Crude",
    "KnownPlace",
    "Lane",
    "MaskReport",
    "MaskTerm",
    "NetworkBlock",
    "NoSeat",
    "Notice",
    "OneTimeLink",
    "Outcome",
    "PolicyAcknowledgement",
    "PolicyVersion",
    "Remark",
    "RoleAssignment",
    "RoleRequest",
    "Seal",
    "SealedEvent",
    "ServiceToken",
    "Session",
    "TokenFamily",
    "User",
    "VaultEntry",
]
