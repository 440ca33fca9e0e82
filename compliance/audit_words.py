"""Audit events in plain words. Every word the pages use for an event is in this module, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.apps import apps

from compliance.access import Action, Role
from compliance.models import ActorKind, AuditEvent, Code, Crude, Outcome

CODES: dict[str, str] = {
    Code.AUTHN_LOGIN_SUCCESS: "Signed in",
    Code.AUTHN_LOGIN_FAIL: "Sign-in failed",
    Code.AUTHN_TOKEN_CREATED: "Second factor or token made",
    Code.AUTHN_TOKEN_REVOKED: "Second factor or token ended",
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
    Code.SESSION_EXPIRED: "Session ended",
    Code.USER_CREATED: "Account made",
    Code.USER_UPDATED: "Account changed",
    Code.USER_DELETED: "Account deleted",
    Code.PRIVILEGE_PERMISSIONS_CHANGED: "Role, clearance or emergency access changed",
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
    "chat.DrugTable": "interaction table",
    "chat.InteractionAlert": "interaction alert",
    "chat.InteractionCheck": "check of medicines",
    "chat.LocalInteraction": "local change of the interaction table",
    "chat.Turn": "question",
    "compliance.AuditEvent": "audit trail",
    "compliance.AuditPurge": "purge of audit events",
    "compliance.AuditVerification": "verification of the audit trail",
    "compliance.BreakGlass": "emergency access",
    "compliance.Authenticator": "authenticator app",
    "compliance.Clearance": "clearance",
    "compliance.MaskReport": "mask report",
    "compliance.MaskTerm": "local term",
    "compliance.NetworkBlock": "network block",
    "compliance.OneTimeLink": "one-time link",
    "compliance.Campaign": "recertification",
    "compliance.CampaignItem": "role to confirm",
    "compliance.RoleAssignment": "role",
    "compliance.RoleRequest": "role request",
    "compliance.ServiceToken": "token of a service account",
    "compliance.TokenFamily": "sign-in through the API",
    "compliance.User": "account",
    "compliance.SealingKey": "key for sealed values",
    "compliance.VaultEntry": "masked value",
    "django_otp_webauthn.WebAuthnAttestation": "attestation of a passkey",
    "django_otp_webauthn.WebAuthnCredential": "passkey",
    "django_otp_webauthn.WebAuthnUserHandle": "handle of a person for passkeys",
    "otp_static.StaticDevice": "set of recovery codes",
    "otp_static.StaticToken": "recovery code",
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
    Action.CHECK_INTERACTIONS: "check medicines for interactions",
    Action.READ_INTERACTIONS: "read the interaction table and its figures",
    Action.EDIT_INTERACTIONS: "change the interaction table",
    Action.APPROVE_INTERACTIONS: "approve changes of the interaction table",
    Action.READ_LIBRARY: "read the library",
    Action.READ_DRAFTS: "read drafts of the library",
    Action.EDIT_LIBRARY: "edit the library",
    Action.REVIEW_LIBRARY: "review documents of the library",
    Action.WITHDRAW_LIBRARY: "withdraw documents of the library",
    Action.READ_QUALITY: "read the figures of the library",
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
    Action.READ_MASKING: "read the mask reports",
    Action.MANAGE_MASKING: "settle mask reports and decide on local terms",
    Action.READ_POLICY: "read the access matrix",
}
STEPS = {
    "password": "wrong e-mail or password",
    "app": "wrong code",
    "recovery": "wrong recovery code",
    "setup": "wrong code at set-up",
    "directory": "the address belongs to an account with its password here",
    "provider": "the provider's answer was not accepted",
    "passkey": "passkey not accepted",
    "passkey setup": "passkey not accepted at set-up",
    "token": "API token refused",
}
REFUSED = {
    "csrf": "Sent a form that was not made for this session",
    "token": "Used an API token past its time",
    "link": "Opened a one-time link that does not work any more",
    "rule": "Tried what a rule forbids",
    "too large": "Sent more than ClinChat takes at once",
    "masking": "A text could not be masked",
    "max_length": "Sent a question that is too long",
    "nested": "Sent a question with tokens inside tokens",
    "not_text": "Sent a question that is not text",
}
UNUSUAL = {"network": "new network", "hour": "at an unusual hour", "country": "from another country"}
LIMITS = {
    "sign_in": "sign-ins",
    "ask": "questions",
    "draft": "looks at drafts",
    "api": "requests of programs",
    "export": "exports",
}
ENDS = {
    "account closed": "account closed",
    "ended by security": "by security",
    "ended by the person": "by its owner",
    "everyone signed out by security": "everyone signed out by security",
    "factor changed": "second factor changed",
    "idle": "not used",
    "password changed": "password changed",
    "revoked through the API": "through the API",
    "roles changed": "roles changed",
    "signed out everywhere": "signed out everywhere",
    "too long": "lasted as long as one may",
}
"""Why sessions end, as the events say it."""
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
PURGES = {"done": "Approved a purge of audit events", "cancelled": "Canceled a purge of audit events"}
REQUESTS = {
    "approved": "Approved a change of roles",
    "refused": "Refused a change of roles",
    "withdrawn": "Withdrew a request for a change of roles",
    "expired": "Request for a change of roles expired",
    "cancelled": "Request for a change of roles canceled",
}
REVIEWED = {
    "kept": "Role confirmed",
    "taken": "Role not confirmed",
    "suspended": "Role not confirmed in time",
    "gone": "Role to confirm ended",
}
TERMS = {
    "approved": "Approved a local term",
    "refused": "Refused a local term",
    "withdrawn": "Withdrew a local term",
    "ended": "Ended a local term",
}
BY_STATUS = {
    "chat.Turn": ENDINGS,
    "compliance.AuditPurge": PURGES,
    "compliance.CampaignItem": REVIEWED,
    "compliance.MaskReport": {"settled": "Settled a mask report"},
    "compliance.MaskTerm": TERMS,
    "compliance.RoleRequest": REQUESTS,
}
"""What a change of the column `status` means."""
WITH_WORDS = {
    "compliance.MaskReport": "Opened the words of a mask report",
    "compliance.MaskTerm": "Read the local terms with their words",
}
FIXED: dict[tuple[str, str], str] = {
    ("chat.Turn", Crude.CREATE): "Asked a question",
    ("chat.InteractionCheck", Crude.CREATE): "Checked medicines for interactions",
    ("chat.InteractionAlert", Crude.CREATE): "An interaction alert was shown",
    ("chat.InteractionAlert", Crude.UPDATE): "Answered an interaction alert",
    ("chat.Feedback", Crude.CREATE): "Rated an answer",
    ("chat.Feedback", Crude.UPDATE): "Rated an answer again",
    ("compliance.AuditPurge", Crude.CREATE): "Asked for a purge of audit events",
    ("compliance.AuditVerification", Crude.EXECUTE): "Asked for a verification of the audit trail",
    ("compliance.BreakGlass", Crude.CREATE): "Took emergency access",
    ("compliance.BreakGlass", Crude.READ): "Read emergency accesses",
    ("compliance.Campaign", Crude.CREATE): "Recertification begun",
    ("compliance.CampaignItem", Crude.CREATE): "Role put up for confirmation",
    ("compliance.CampaignItem", Crude.READ): "Read the roles to confirm",
    ("compliance.MaskReport", Crude.CREATE): "Reported a mask",
    ("compliance.MaskReport", Crude.READ): "Read the mask reports",
    ("compliance.MaskTerm", Crude.CREATE): "Proposed a local term",
    ("compliance.MaskTerm", Crude.READ): "Read the local terms",
    ("compliance.MaskTerm", Crude.UPDATE): "Proposed to end a local term, or to keep it",
    ("compliance.RoleRequest", Crude.CREATE): "Asked for a change of roles",
    ("compliance.RoleRequest", Crude.READ): "Read the role requests",
    ("compliance.Clearance", Crude.CREATE): "Clearance granted",
    ("compliance.NetworkBlock", Crude.CREATE): "Network blocked",
    ("compliance.NetworkBlock", Crude.UPDATE): "Network block ended",
    ("compliance.OneTimeLink", Crude.CREATE): "One-time link made",
    ("compliance.RoleAssignment", Crude.CREATE): "Role given",
    ("compliance.User", Crude.CREATE): "Account made",
    ("compliance.User", Crude.DELETE): "Account deleted",
    ("compliance.User", Crude.UPDATE): "Account changed",
    ("compliance.RoleAssignment", Crude.DELETE): "Role taken away",
    ("compliance.ServiceToken", Crude.CREATE): "Token of a service account made",
    ("compliance.ServiceToken", Crude.UPDATE): "Token of a service account revoked",
    ("compliance.TokenFamily", Crude.CREATE): "Signed in through the API",
    ("compliance.TokenFamily", Crude.UPDATE): "Sign-in through the API ended",
    ("compliance.SealingKey", Crude.CREATE): "New key for sealed values made",
    ("compliance.SealingKey", Crude.EXECUTE): "Sealed values wrapped with the newest key",
    ("compliance.SealingKey", Crude.DELETE): "Unused keys for sealed values removed",
    ("compliance.VaultEntry", Crude.CREATE): "Sealed a masked value",
    ("compliance.VaultEntry", Crude.READ): "Opened masked values",
    ("django_otp_webauthn.WebAuthnCredential", Crude.CREATE): "Passkey added",
    ("django_otp_webauthn.WebAuthnCredential", Crude.UPDATE): "Passkey changed",
    ("django_otp_webauthn.WebAuthnCredential", Crude.DELETE): "Passkey removed",
    ("otp_static.StaticDevice", Crude.CREATE): "Recovery codes set up",
    ("otp_static.StaticDevice", Crude.DELETE): "Recovery codes removed",
    ("otp_static.StaticToken", Crude.CREATE): "Recovery code made",
    ("otp_static.StaticToken", Crude.DELETE): "Recovery code used or replaced",
    ("compliance.Authenticator", Crude.CREATE): "Authenticator app added",
    ("compliance.Authenticator", Crude.DELETE): "Authenticator app removed",
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
