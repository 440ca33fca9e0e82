"""Audit events in plain words. The words are in compliance.audit_vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.apps import apps

from compliance.access import Role
from compliance.audit_vocabulary import (
    ACTIONS,
    BY_STATUS,
    CODES,
    ENDS,
    EXPORTED,
    FIXED,
    KINDS,
    LIMITS,
    OBJECTS,
    REFUSED,
    STAGES,
    STEPS,
    TRIED,
    UNUSUAL,
    VERBS,
    WITH_WORDS,
)
from compliance.models import ActorKind, AuditEvent, Code, Crude, Outcome

PROTECTED = "hmac:"
"""How the digest of a protected value begins."""


def what(event: AuditEvent) -> str:
    """What was done, as a sentence without its subject: "Read conversation", "Sign-in failed (wrong code)"."""
    words = _what(event)
    if event.actor_kind == ActorKind.UNKNOWN_DB:
        return f"Changed outside ClinChat: {words[0].lower()}{words[1:]}"
    return words


def _what(event: AuditEvent) -> str:
    if special := _BY_CODE.get(event.code):
        return special(event)
    if event.outcome == Outcome.DENIED:
        return f"Tried to {TRIED[event.action]} {thing(event.object_type)}"
    if event.object_type == "compliance.AuditEvent" and (about := _about_the_trail(event)):
        return about
    taken = EXPORTED.get(event.object_type) if "export" in event.detail else ""
    words = taken or _change(event) or FIXED.get((event.object_type, event.action)) or _plain(event)
    return f"{words} (failed)" if event.outcome == Outcome.FAILURE else words


def _about_the_trail(event: AuditEvent) -> str:
    if "export" in event.detail:
        return f"Exported audit events ({value_words(event.detail['export'])})"
    if "purge" in event.detail:
        return f"Removed the audit events before {value_words(event.detail.get('before'))}"
    return "Read one audit event" if event.object_id and event.action == Crude.READ else ""


def _plain(event: AuditEvent) -> str:
    return f"{VERBS[event.action]} {thing(event.object_type)}" if event.object_type else CODES[event.code]


def _change(event: AuditEvent) -> str:
    """The changes a reader looks for by name."""
    new = {column: pair[1] for column, pair in (event.changes or {}).items()}
    match event.object_type, event.action:
        case "chat.Turn" | "chat.Question", Crude.READ | Crude.EXECUTE:
            return STAGES.get(str(event.detail.get("step")), "")
        case object_type, Crude.UPDATE if object_type in BY_STATUS:
            return BY_STATUS[object_type].get(str(new.get("status")), "")
        case object_type, Crude.READ if event.detail.get("step") == "words":
            return WITH_WORDS.get(object_type, "")
        case "compliance.RoleAssignment", Crude.UPDATE if "suspended_at" in new:
            return "Role suspended" if new["suspended_at"] else "Role counts again"
        case "compliance.Clearance", Crude.UPDATE if new.get("revoked_at"):
            return "Clearance revoked"
        case "compliance.OneTimeLink", Crude.UPDATE:
            return "One-time link used" if new.get("used_at") else "One-time link ended"
        case "compliance.BreakGlass", Crude.UPDATE:
            return "Reviewed an emergency access" if new.get("finding") else "Emergency access ended"
        case "compliance.User", Crude.UPDATE if "is_active" in new:
            return "Account opened again" if new["is_active"] else "Account closed"
        case "compliance.RoleAssignment", Crude.CREATE | Crude.DELETE:
            old, new_role = (event.changes or {}).get("role", (None, None))
            words = FIXED[event.object_type, event.action]
            return f"{words} ({role(str(new_role or old))})" if new_role or old else words
    return ""


def _signed_in(event: AuditEvent) -> str:
    how = {"recovery": " with a recovery code", "passkey": " with a passkey"}
    did = "Showed both factors again" if event.detail.get("again") else "Signed in"
    return f"{did}{how.get(str(event.detail.get('factor')), '')}"


def _not_signed_in(event: AuditEvent) -> str:
    step = STEPS.get(str(event.detail.get("step")), "")
    return f"Sign-in failed ({step})" if step else "Sign-in failed"


def _denied(event: AuditEvent) -> str:
    if words := REFUSED.get(str(event.detail.get("step"))):
        return words
    action = ACTIONS.get(str(event.detail.get("action")))
    return f"Tried to {action or f'{TRIED[event.action]} {thing(event.object_type)}'}"


def _ended(event: AuditEvent) -> str:
    reason = event.detail.get("reason")
    if reason == "signed out":
        return "Signed out"
    words = "All sessions ended" if "sessions" in event.detail else "Session ended"
    return f"{words} ({ENDS[reason]})" if reason in ENDS else words


def _password(event: AuditEvent) -> str:
    return CODES[event.code] if event.detail.get("how") == "changed" else "Password set with a one-time link"


def _locked(event: AuditEvent) -> str:
    return "Tried to sign in while it was locked" if event.outcome == Outcome.DENIED else CODES[event.code]


def _unusual(event: AuditEvent) -> str:
    found = [UNUSUAL[name] for name in event.detail.get("unusual", []) if name in UNUSUAL]
    return f"{CODES[event.code]} ({', '.join(found)})" if found else CODES[event.code]


def _too_many(event: AuditEvent) -> str:
    kind = LIMITS.get(str(event.detail.get("limit")))
    return f"{CODES[event.code]} ({kind})" if kind else CODES[event.code]


def _shut_out(event: AuditEvent) -> str:
    denied = event.outcome == Outcome.DENIED
    return "Request from a blocked network refused" if denied else FIXED[event.object_type, Crude.CREATE]


_BY_CODE: dict[str, Callable[[AuditEvent], str]] = {
    Code.AUTHN_LOGIN_FAIL_MAX: lambda event: CODES[event.code],
    Code.AUTHN_LOGIN_LOCK: _locked,
    Code.AUTHN_PASSWORD_CHANGE: _password,
    Code.AUTHN_LOGIN_UNUSUAL: _unusual,
    Code.EXCESS_RATE_LIMIT_EXCEEDED: _too_many,
    Code.NETWORK_BLOCKED: _shut_out,
    Code.AUTHN_LOGIN_SUCCESS: _signed_in,
    Code.AUTHN_LOGIN_FAIL: _not_signed_in,
    Code.AUTHN_TOKEN_REUSE: lambda event: CODES[event.code],
    Code.AUTHZ_FAIL: _denied,
    Code.INPUT_VALIDATION_FAIL: _denied,
    Code.SESSION_EXPIRED: _ended,
}


def thing(object_type: str) -> str:
    """The kind of object as a noun; "something" where the event names none."""
    if not object_type:
        return "something"
    if known := OBJECTS.get(object_type):
        return known
    try:
        return str(apps.get_model(object_type)._meta.verbose_name)  # noqa: SLF001  # documented by Django
    except (LookupError, ValueError):
        return object_type


def role(value: str) -> str:
    return str(Role(value).label) if value in Role.values else value


def who(event: AuditEvent) -> str:
    """The name as it was then, or what acted when no person did."""
    if event.actor_kind == ActorKind.UNKNOWN_DB:
        return f"{event.actor_name.removeprefix('unknown-db:')}, outside ClinChat"
    if event.actor_name:
        return event.actor_name
    return "Nobody signed in" if event.actor_kind == ActorKind.PERSON else KINDS[event.actor_kind]


def roles(event: AuditEvent) -> str:
    """The roles held then."""
    return ", ".join(role(str(value)) for value in event.actor_roles)


def column(name: str) -> str:
    return name.replace("_", " ").capitalize()


def protected(value: object) -> bool:
    """Whether a digest stands here instead of the value."""
    return isinstance(value, str) and value.startswith(PROTECTED)


def value_words(value: object) -> str:
    if value is None or value == "":
        return "empty"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value_words(item) for item in value) or "empty"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {value_words(item)}" for key, item in value.items()) or "empty"
    return str(value)


def details(event: AuditEvent) -> Iterator[tuple[str, str]]:
    """What the event says beside its fixed columns."""
    for key, value in event.detail.items():
        yield column(key), value_words(value)
