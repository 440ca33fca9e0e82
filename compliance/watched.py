"""The tables of this app, and of the second factors, whose changes are on record, and what of them is shown.

A field that is named in neither list is recorded as a keyed digest: one can tell that it changed, not to what.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Model
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp_webauthn.models import WebAuthnAttestation, WebAuthnCredential, WebAuthnUserHandle

from compliance import audit
from compliance.audit import Code
from compliance.models import (
    Agreement,
    Amendment,
    Asset,
    Attestation,
    AuditPurge,
    AuditReview,
    Authenticator,
    Backup,
    BreakGlass,
    Campaign,
    CampaignItem,
    CatalogueVersion,
    CheckSchedule,
    Clearance,
    ControlException,
    ControlOwner,
    ControlResult,
    DataKey,
    Disclosure,
    Drill,
    Erasure,
    Exercise,
    Finding,
    IntegrityRun,
    LegalHold,
    Maintenance,
    MaskReport,
    MaskTerm,
    MonthlyReport,
    NetworkBlock,
    Official,
    OneTimeLink,
    PlannedMaintenance,
    PolicyAcknowledgement,
    PolicyVersion,
    Purge,
    Remark,
    Restore,
    Risk,
    RiskApproval,
    RoleAssignment,
    RoleRequest,
    ScanRun,
    ServiceToken,
    TokenFamily,
    User,
    VaultEntry,
    Vendor,
)

_USE = ("throttling_failure_timestamp", "throttling_failure_count", "last_used_at")
"""What each sign-in changes on a device; the sign-in is an event of its own."""
_API_USE = ("newest", "seen_at", "source", "agent")
"""What each renewal of tokens changes."""


def register() -> None:
    audit.watch(
        User,
        shown=(
            "id",
            "email",
            "name",
            "title",
            "department",
            "is_active",
            "closed_because",
            "closed_at",
            "reopened_at",
            "is_demo",
            "is_service",
            "directory",
            "directory_id",
            "created_at",
        ),
        ignored=("last_login", "theme", "shortcuts", "mails"),
        created=Code.USER_CREATED,
        updated=Code.USER_UPDATED,
        deleted=Code.USER_DELETED,
    )
    _rights(RoleAssignment, shown=("id", "user", "role", "granted_at", "granted_by", "suspended_at", "seat"))
    _rights(Clearance, shown=("id", "user", "granted_at", "expires_at", "revoked_at", "basis"))
    _rights(
        BreakGlass,
        shown=[
            f.name
            for f in BreakGlass._meta.concrete_fields  # noqa: SLF001  # documented by Django
            if f.name not in {"reason", "note"}
        ],
    )
    audit.watch(RoleRequest, shown=_columns(RoleRequest, but=("reason", "note")))
    audit.watch(Campaign, shown=_columns(Campaign))
    audit.watch(CampaignItem, shown=_columns(CampaignItem))
    _opens_api(TokenFamily, shown=("id", "user", "created_at", "ends_at", "revoked_at", "reason"), ignored=_API_USE)
    _opens_api(ServiceToken, shown=_columns(ServiceToken, but=("digest", "last_used_at")), ignored=("last_used_at",))
    audit.watch(VaultEntry, shown=("scope", "token", "label", "patient", "created_at"), object_id="scope")
    audit.watch(MaskReport, shown=_columns(MaskReport, but=("words", "note", "settled_note")))
    audit.watch(MaskTerm, shown=_columns(MaskTerm, but=("words", "blind_index", "reason")))
    audit.watch(
        NetworkBlock,
        shown=_columns(NetworkBlock, but=("reason",)),
        created=Code.NETWORK_BLOCKED,
        updated=Code.NETWORK_UNBLOCKED,
        deleted=Code.NETWORK_UNBLOCKED,
    )
    audit.watch(OneTimeLink, shown=_columns(OneTimeLink, but=("digest",)))
    _factor(
        Authenticator,
        shown=("uuid", "user", "name", "confirmed", "created_at"),
        ignored=(*_USE, "last_t"),
        object_id="user",
    )
    _factor(StaticDevice, shown=("user", "name", "confirmed"), ignored=_USE, object_id="user")
    _factor(StaticToken, shown=("device",), object_id="device")
    _factor(
        WebAuthnCredential,
        shown=("user", "confirmed", "created_at", "aaguid", "transports", "discoverable", "backup_eligible"),
        ignored=("last_used_at", "sign_count", "backup_state"),
        object_id="user",
    )
    _factor(WebAuthnAttestation, shown=("credential", "fmt"), object_id="credential")
    _factor(WebAuthnUserHandle, shown=("user",), object_id="user")
    audit.watch(PolicyVersion, shown=_columns(PolicyVersion, but=("text",)))
    audit.watch(PolicyAcknowledgement, shown=_columns(PolicyAcknowledgement))
    audit.watch(Remark, shown=_columns(Remark, but=("text", "reply", "subject")))
    audit.watch(AuditPurge, shown=_columns(AuditPurge, but=("reason",)))
    _controls()
    _registers()
    _continuity()


def _continuity() -> None:
    audit.watch(Backup, shown=_columns(Backup, but=("name", "reason", "progress")), ignored=("progress",))
    audit.watch(Restore, shown=_columns(Restore, but=("reason", "report")))
    audit.watch(Drill, shown=_columns(Drill, but=("assertions", "steps")))
    audit.watch(Maintenance, shown=_columns(Maintenance, but=("reason",)))
    audit.watch(PlannedMaintenance, shown=_columns(PlannedMaintenance, but=("reason",)))
    audit.watch(LegalHold, shown=_columns(LegalHold, but=("reason", "end_reason")))
    audit.watch(Purge, shown=_columns(Purge))
    audit.watch(DataKey, shown=_columns(DataKey, but=("key",)), object_id="scope")
    audit.watch(Erasure, shown=_columns(Erasure, but=("reason",)))
    audit.watch(IntegrityRun, shown=_columns(IntegrityRun, but=("findings", "looked")))


def _controls() -> None:
    """`expected` of a result is text of the catalogue, whose version is on record."""
    audit.watch(CatalogueVersion, shown=("sha256", "first_used_at"), ignored=("text",))
    audit.watch(
        ControlResult,
        shown=_columns(ControlResult, but=("expected", "evidence", "failing")),
        ignored=("expected", "evidence", "failing"),  # covered by the digest
    )
    audit.watch(ControlOwner, shown=_columns(ControlOwner), object_id="control")
    audit.watch(CheckSchedule, shown=_columns(CheckSchedule), object_id="check_key")
    audit.watch(Official, shown=_columns(Official))
    audit.watch(
        Attestation,
        shown=_columns(Attestation, but=("statement", "artifact", "artifact_name")),
        ignored=("artifact",),  # its SHA-256 is shown
    )
    audit.watch(ControlException, shown=_columns(ControlException, but=("reason", "compensating")))
    audit.watch(MonthlyReport, shown=_columns(MonthlyReport, but=("data",)), ignored=("data",))
    audit.watch(ScanRun, shown=_columns(ScanRun))
    audit.watch(Finding, shown=_columns(Finding))


def _registers() -> None:
    audit.watch(Asset, shown=_columns(Asset, but=("purpose",)))
    audit.watch(Risk, shown=_columns(Risk, but=("title", "threat", "treatment")))
    audit.watch(Risk.assets.through, shown=("risk", "asset"), object_id="risk")
    audit.watch(RiskApproval, shown=_columns(RiskApproval, but=("register",)), ignored=("register",))
    audit.watch(Vendor, shown=_columns(Vendor, but=("service",)))
    audit.watch(Agreement, shown=_columns(Agreement, but=("artifact_name",)))
    audit.watch(Exercise, shown=_columns(Exercise, but=("scenario", "lessons")))
    audit.watch(AuditReview, shown=_columns(AuditReview, but=("conclusion", "figures")))
    audit.watch(Disclosure, shown=_columns(Disclosure, but=("patient", "recipient", "what", "why")))
    audit.watch(Amendment, shown=_columns(Amendment, but=("patient", "record", "statement")))


def _opens_api(model: type[TokenFamily | ServiceToken], *, shown: Sequence[str], ignored: Sequence[str]) -> None:
    """Nothing of what is recorded of these rows changes but that they were revoked."""
    ended = Code.AUTHN_TOKEN_REVOKED
    audit.watch(model, shown=shown, ignored=ignored, created=Code.AUTHN_TOKEN_CREATED, updated=ended, deleted=ended)


def _columns(model: type[Model], *, but: Sequence[str] = ()) -> list[str]:
    return [f.name for f in model._meta.concrete_fields if f.name not in but]  # noqa: SLF001  # documented by Django


def _rights(model: type[RoleAssignment | Clearance | BreakGlass], *, shown: Sequence[str]) -> None:
    changed = Code.PRIVILEGE_PERMISSIONS_CHANGED
    audit.watch(model, shown=shown, created=changed, updated=changed, deleted=changed)


def _factor(
    model: type[Model],
    *,
    shown: tuple[str, ...],
    object_id: str,
    ignored: tuple[str, ...] = (),
) -> None:
    audit.watch(
        model,
        shown=shown,
        ignored=ignored,
        object_id=object_id,
        created=Code.AUTHN_TOKEN_CREATED,
        updated=Code.USER_UPDATED,
        deleted=Code.AUTHN_TOKEN_REVOKED,
    )
