"""Audit events in plain words. Every word the pages use for an event is in this module, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.apps import apps

from compliance.access import Action, Role
from compliance.models import ActorKind, AuditEvent, Code, Crude, Outcome

CODES: dict[str, str] = {
    Code.AUTHN_LOGIN_SUCCESS: "Signed in",
    Code.AUTHN_LOGIN_FAIL: "Sign-in failed",
    Code.AUTHN_TOKEN_CREATED: "Second factor set up",
    Code.AUTHN_TOKEN_REVOKED: "Second factor removed",
    Code.AUTHN_LOGIN_FAIL_MAX: "Many failed sign-ins",
    Code.AUTHN_LOGIN_LOCK: "Sign-in locked for a while",
    Code.AUTHN_LOGIN_UNUSUAL: "Unusual sign-in",
    Code.AUTHN_PASSWORD_CHANGE: "Password changed",
    Code.AUTHN_TOKEN_REUSE: "Used token tried again",
    Code.AUTHZ_FAIL: "Access denied",
    Code.EXCESS_RATE_LIMIT_EXCEEDED: "Too many requests",
    Code.INPUT_VALIDATION_FAIL: "Input refused",
    Code.NETWORK_BLOCKED: "Network blocked",
    Code.NETWORK_UNBLOCKED: "Network block ended",
    Code.SESSION_CREATED: "Session begun",
    Code.SESSION_EXPIRED: "Session ended",
    Code.USER_CREATED: "Account made",
    Code.USER_UPDATED: "Account changed",
    Code.USER_DELETED: "Account deleted",
    Code.PRIVILEGE_PERMISSIONS_CHANGED: "Role or clearance changed",
    Code.SENSITIVE_CREATE: "Record created",
    Code.SENSITIVE_READ: "Record read",
    Code.SENSITIVE_UPDATE: "Record changed",
    Code.SENSITIVE_DELETE: "Record deleted",
    Code.SYS_STARTUP: "ClinChat started",
    Code.SYS_SHUTDOWN: "ClinChat stopped",
    Code.SYS_RESTORE: "Backup restored",
    Code.SYS_INTEGRITY_FAIL: "Audit trail damaged",
}
KINDS: dict[str, str] = {
    ActorKind.PERSON: "A person",
    ActorKind.SERVICE: "A service of ClinChat",
    ActorKind.SCHEDULE: "The schedule",
    ActorKind.COMMAND: "A command",
    ActorKind.UNKNOWN_DB: "Somebody outside ClinChat",
}
OUTCOMES: dict[str, str] = {Outcome.SUCCESS: "Done", Outcome.DENIED: "Denied", Outcome.FAILURE: "Failed"}
PURPOSES: dict[str, str] = {
    "TREAT": "Treatment",
    "BTG": "Break-glass",
    "HCOMPL": "Compliance",
    "HSYSADMIN": "System administration",
}
OBJECTS: dict[str, str] = {
    "chat.Collection": "collection",
    "chat.Conversation": "conversation",
    "chat.Document": "document",
    "chat.DocumentVersion": "document version",
    "chat.Feedback": "rating",
    "chat.Question": "question that was not kept",
    "chat.Turn": "question",
    "compliance.AuditEvent": "audit trail",
    "compliance.AuditPurge": "purge of audit events",
    "compliance.AuditVerification": "verification of the audit trail",
    "compliance.Clearance": "clearance",
    "compliance.RoleAssignment": "role",
    "compliance.User": "account",
    "compliance.VaultEntry": "masked value",
    "otp_static.StaticDevice": "set of recovery codes",
    "otp_static.StaticToken": "recovery code",
    "otp_totp.TOTPDevice": "authenticator app",
}
"""In the singular, without an article; for anything else the name its model has is used."""
VERBS: dict[str, str] = {
    Crude.CREATE: "Created",
    Crude.READ: "Read",
    Crude.UPDATE: "Changed",
    Crude.DELETE: "Deleted",
    Crude.EXECUTE: "Used",
}
TRIED: dict[str, str] = {
    Crude.CREATE: "create",
    Crude.READ: "read",
    Crude.UPDATE: "change",
    Crude.DELETE: "delete",
    Crude.EXECUTE: "use",
}
ACTIONS: dict[str, str] = {
    Action.ASK: "ask a question",
    Action.READ_LIBRARY: "read the library",
    Action.EDIT_LIBRARY: "edit the library",
    Action.OWN_SETTINGS: "open their settings",
    Action.ADMINISTER: "use the admin pages",
    Action.READ_AUDIT: "read the audit trail",
    Action.EXPORT_AUDIT: "export audit events",
    Action.PURGE_AUDIT: "purge audit events",
    Action.READ_STATUS: "read the state of the services",
    Action.READ_PEOPLE: "read the list of people",
    Action.MANAGE_PEOPLE: "manage people",
    Action.REQUEST_ROLES: "ask for a change of roles",
    Action.APPROVE_ROLES: "approve a change of roles",
    Action.RECERTIFY: "confirm roles",
    Action.REVOKE_SESSIONS: "end sessions of others",
    Action.MANAGE_SERVICES: "manage service accounts",
    Action.BLOCK_NETWORKS: "block networks",
    Action.BREAK_GLASS: "break the glass",
    Action.REVIEW_BREAK_GLASS: "review break-glass access",
    Action.READ_POLICY: "read the access matrix",
}
STEPS = {
    "password": "wrong e-mail or password",
    "app": "wrong code",
    "recovery": "wrong recovery code",
    "setup": "wrong code at set-up",
}
STAGES = {"retrieve": "Searched passages for a question", "answer": "Had a question answered"}
"""What the pipeline records beside the question itself."""
ENDINGS = {
    "answered": "Question answered",
    "abstained": "Question left without an answer",
    "failed": "Question failed",
    "stopped": "Question stopped",
    "queued": "Question queued again",
    "retried": "Question queued again",
    "running": "Question taken up",
}
PURGES = {"done": "Approved a purge of audit events", "cancelled": "Cancelled a purge of audit events"}
FIXED: dict[tuple[str, str], str] = {
    ("chat.Turn", Crude.CREATE): "Asked a question",
    ("chat.Feedback", Crude.CREATE): "Rated an answer",
    ("chat.Feedback", Crude.UPDATE): "Rated an answer again",
    ("compliance.AuditPurge", Crude.CREATE): "Asked for a purge of audit events",
    ("compliance.AuditVerification", Crude.EXECUTE): "Asked for a verification of the audit trail",
    ("compliance.Clearance", Crude.CREATE): "Clearance granted",
    ("compliance.RoleAssignment", Crude.CREATE): "Role given",
    ("compliance.User", Crude.CREATE): "Account made",
    ("compliance.User", Crude.DELETE): "Account deleted",
    ("compliance.User", Crude.UPDATE): "Account changed",
    ("compliance.RoleAssignment", Crude.DELETE): "Role taken away",
    ("compliance.VaultEntry", Crude.CREATE): "Sealed a masked value",
    ("compliance.VaultEntry", Crude.READ): "Opened masked values",
    ("otp_static.StaticDevice", Crude.CREATE): "Recovery codes set up",
    ("otp_static.StaticDevice", Crude.DELETE): "Recovery codes removed",
    ("otp_static.StaticToken", Crude.CREATE): "Recovery code made",
    ("otp_static.StaticToken", Crude.DELETE): "Recovery code used or replaced",
    ("otp_totp.TOTPDevice", Crude.CREATE): "Authenticator app added",
    ("otp_totp.TOTPDevice", Crude.DELETE): "Authenticator app removed",
}
"""Where verb and object alone would read badly."""
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
    words = _change(event) or FIXED.get((event.object_type, event.action)) or _plain(event)
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
        case "chat.Turn", Crude.UPDATE:
            return ENDINGS.get(str(new.get("status")), "")
        case "compliance.Clearance", Crude.UPDATE if new.get("revoked_at"):
            return "Clearance revoked"
        case "compliance.AuditPurge", Crude.UPDATE:
            return PURGES.get(str(new.get("status")), "")
        case "compliance.User", Crude.UPDATE if "is_active" in new:
            return "Account opened again" if new["is_active"] else "Account closed"
        case "compliance.RoleAssignment", Crude.CREATE | Crude.DELETE:
            old, new_role = (event.changes or {}).get("role", (None, None))
            words = FIXED[event.object_type, event.action]
            return f"{words} ({role(str(new_role or old))})" if new_role or old else words
    return ""


def _signed_in(event: AuditEvent) -> str:
    return f"Signed in{' with a recovery code' if event.detail.get('factor') == 'recovery' else ''}"


def _not_signed_in(event: AuditEvent) -> str:
    step = STEPS.get(str(event.detail.get("step")), "")
    return f"Sign-in failed ({step})" if step else "Sign-in failed"


def _denied(event: AuditEvent) -> str:
    action = ACTIONS.get(str(event.detail.get("action")))
    return f"Tried to {action or f'{TRIED[event.action]} {thing(event.object_type)}'}"


def _ended(event: AuditEvent) -> str:
    return "Signed out" if event.detail.get("reason") == "signed out" else "Session ended"


_BY_CODE: dict[str, Callable[[AuditEvent], str]] = {
    Code.AUTHN_LOGIN_SUCCESS: _signed_in,
    Code.AUTHN_LOGIN_FAIL: _not_signed_in,
    Code.AUTHZ_FAIL: _denied,
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
