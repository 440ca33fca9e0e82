"""The tables of this app, and of the second factors, whose changes are on record, and what of them is shown.

A field that is named in neither list is recorded as a keyed digest: one can tell that it changed, not to what.
"""

from __future__ import annotations

from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from compliance import audit
from compliance.audit import Code
from compliance.models import AuditPurge, Clearance, RoleAssignment, User, VaultEntry

_USE = ("throttling_failure_timestamp", "throttling_failure_count", "last_used_at")
"""What each sign-in changes on a device; the sign-in is an event of its own."""


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
            "is_demo",
            "is_service",
            "directory",
            "directory_id",
            "created_at",
        ),
        ignored=("last_login", "theme", "shortcuts"),
        created=Code.USER_CREATED,
        updated=Code.USER_UPDATED,
        deleted=Code.USER_DELETED,
    )
    _rights(RoleAssignment, shown=("id", "user", "role", "granted_at", "granted_by", "suspended_at", "seat"))
    _rights(Clearance, shown=("id", "user", "granted_at", "expires_at", "revoked_at"))
    audit.watch(VaultEntry, shown=("scope", "token", "label", "patient", "created_at"), object_id="scope")
    _factor(TOTPDevice, shown=("user", "name", "confirmed"), ignored=(*_USE, "drift", "last_t"), object_id="user")
    _factor(StaticDevice, shown=("user", "name", "confirmed"), ignored=_USE, object_id="user")
    _factor(StaticToken, shown=("device",), object_id="device")
    audit.watch(AuditPurge, shown=[f.name for f in AuditPurge._meta.concrete_fields])  # noqa: SLF001  # documented by Django


def _rights(model: type[RoleAssignment | Clearance], *, shown: tuple[str, ...]) -> None:
    changed = Code.PRIVILEGE_PERMISSIONS_CHANGED
    audit.watch(model, shown=shown, created=changed, updated=changed, deleted=changed)


def _factor(
    model: type[TOTPDevice | StaticDevice | StaticToken],
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
