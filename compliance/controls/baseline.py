"""The settings that protect ClinChat, as this release was approved with them, and as this process has them.

What a hospital must set for itself (names, addresses, limits) is not among them; what no hospital may weaken is. The
baseline is a file of the release, reviewed like code: a change of a setting without a change of the file is found.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from compliance.controls.results import canonical

FILE: Final = Path(__file__).with_name("baseline.json")
SAME: Final = (
    "DEBUG",
    "MIDDLEWARE",
    "PASSWORD_HASHERS",
    "AUTH_PASSWORD_VALIDATORS",
    "AUTH_USER_MODEL",
    "ROOT_URLCONF",
    "AUDITLOG_LOGENTRY_MODEL",
    "SESSION_ENGINE",
    "SESSION_SAVE_EVERY_REQUEST",
    "SESSION_EXPIRE_AT_BROWSER_CLOSE",
    "SESSION_COOKIE_HTTPONLY",
    "SESSION_COOKIE_SAMESITE",
    "CSRF_COOKIE_HTTPONLY",
    "CSRF_COOKIE_SAMESITE",
    "CSRF_FAILURE_VIEW",
    "SECURE_REDIRECT_EXEMPT",
    "SECURE_REFERRER_POLICY",
    "SECURE_CONTENT_TYPE_NOSNIFF",
    "SILENCED_SYSTEM_CHECKS",
    "X_FRAME_OPTIONS",
    "DATA_UPLOAD_MAX_MEMORY_SIZE",
    "FILE_UPLOAD_HANDLERS",
    "CONTENT_SECURITY_POLICY",
    "CONTENT_SECURITY_POLICY_ADMIN",
    "OTP_WEBAUTHN_ALLOW_PASSWORDLESS_LOGIN",
    "PHI_NER",
    "PHI_DEADLINE_SECONDS",
    "CELERY_TASK_IGNORE_RESULT",
    "USE_TZ",
)
BY_MODE: Final = (
    "TLS",
    "SESSION_COOKIE_SECURE",
    "CSRF_COOKIE_SECURE",
    "SESSION_COOKIE_NAME",
    "CSRF_COOKIE_NAME",
    "SECURE_SSL_REDIRECT",
    "SECURE_HSTS_SECONDS",
    "SECURE_HSTS_INCLUDE_SUBDOMAINS",
)
"""One machine speaks without TLS (`make run`): it has approved values of its own, unless a proxy speaks TLS for it."""
DIRECTORY: Final = "compliance.directory.ldap.Ldap"
"""How people sign in, where a hospital has named its directory; any other way in is not approved."""
REST: Final = ("DEFAULT_AUTHENTICATION_CLASSES", "DEFAULT_PERMISSION_CLASSES", "EXCEPTION_HANDLER")


def mode() -> str:
    return "embedded" if settings.EMBEDDED and not settings.TLS else "deployed"


def present() -> dict[str, Any]:
    """The settings as this process has them, as JSON knows them."""
    found = {name: getattr(settings, name, None) for name in (*SAME, *BY_MODE)}
    found["AUTHENTICATION_BACKENDS"] = [
        one for one in settings.AUTHENTICATION_BACKENDS if not (settings.LDAP_URL and one == DIRECTORY)
    ]
    found |= {f"REST_FRAMEWORK.{name}": settings.REST_FRAMEWORK.get(name) for name in REST}
    plain: dict[str, Any] = json.loads(json.dumps(found, default=str, sort_keys=True))
    return plain


@cache
def approved() -> dict[str, dict[str, Any]]:
    """Values by mode. Raises OSError and ValueError."""
    written: dict[str, dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
    return {name: {**written["always"], **written[name]} for name in ("embedded", "deployed")}


def differing() -> list[str]:
    """Names of the settings that are not as they were approved."""
    wanted, there = approved()[mode()], present()
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))


def digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(canonical(values)).hexdigest()


def text() -> str:
    """The file as it would be written now: for whoever changes a setting on purpose, and has it reviewed."""
    there = present()
    deployed = {
        "TLS": True,
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
        "SESSION_COOKIE_NAME": "__Host-session",
        "CSRF_COOKIE_NAME": "__Host-csrftoken",
        "SECURE_SSL_REDIRECT": True,
        "SECURE_HSTS_SECONDS": 365 * 24 * 3600,
        "SECURE_HSTS_INCLUDE_SUBDOMAINS": True,
    }
    plain = deployed | {
        "TLS": False,
        "SESSION_COOKIE_SECURE": False,
        "CSRF_COOKIE_SECURE": False,
        "SESSION_COOKIE_NAME": "session",
        "CSRF_COOKIE_NAME": "csrftoken",
        "SECURE_SSL_REDIRECT": False,
        "SECURE_HSTS_SECONDS": 0,
        "SECURE_HSTS_INCLUDE_SUBDOMAINS": False,
    }
    always = {name: value for name, value in there.items() if name not in deployed}
    return json.dumps({"always": always, "deployed": deployed, "embedded": plain}, indent=1, sort_keys=True) + "\n"
