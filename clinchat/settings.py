"""The one settings module. The environment decides; every default is the secure one.

Without DATABASE_URL the embedded PostgreSQL and Redis of `clinchat.local` are used ("embedded mode"): one machine,
loopback only, keys in var/keys. With it, everything else must be given too. docs/configuration.md lists the variables.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from celery.schedules import crontab
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from clinchat import env, local
from compliance import logs

BASE_DIR = Path(__file__).resolve().parent.parent
VAR = local.paths().var
EMBEDDED = not env.text("DATABASE_URL")
CLINCHAT_DEMO = env.flag("CLINCHAT_DEMO", default=EMBEDDED)
TLS = env.flag("CLINCHAT_TLS", default=not EMBEDDED)
PORT = env.number("CLINCHAT_PORT", 8000, low=1, high=65535)

DEBUG = False  # never needed to run; errors are logged with a reference the reader can quote

# ── Keys ───────────────────────────────────────────────────────────────────────────────────────────────────────
if EMBEDDED:
    local.ensure_keys()
_keys = local.paths().keys if EMBEDDED else None
SECRET_KEY = env.secret("SECRET_KEY", file=_keys / "secret_key" if _keys else None)
INDEX_KEY = env.key(
    "INDEX_KEY", file=_keys / "index_key" if _keys else None
)  # equality of sealed values; never changes
CLINCHAT_KEYS = env.text("CLINCHAT_KEYS", "file")
KEY_ENCRYPTION_KEYS = {
    "file": "clinchat.lib.keys.file.FileKeys",
    "vault": "clinchat.lib.keys.vault.VaultKeys",
    "kms": "clinchat.lib.keys.kms.KmsKeys",
}
if CLINCHAT_KEYS not in KEY_ENCRYPTION_KEYS:
    raise ImproperlyConfigured(f"CLINCHAT_KEYS must be one of {', '.join(KEY_ENCRYPTION_KEYS)}.")


def SEALING_KEYS() -> list[bytes]:  # noqa: N802  # a setting
    """The key-encryption keys of CLINCHAT_KEYS=file, read anew at each call: a rotation needs no restart."""
    return env.keys("SEALING_KEY", file=_keys / "sealing_key" if _keys else None)


if CLINCHAT_KEYS == "file":
    SEALING_KEYS()  # a missing key stops the process now, not at the first patient

# ── Apps and middleware ────────────────────────────────────────────────────────────────────────────────────────
INSTALLED_APPS = [
    "compliance.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "auditlog",
    "csp",
    "rest_framework",
    "clinchat",
    "compliance",
    "training",
    "chat",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "clinchat.middleware.ResponseHeaders",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "clinchat.middleware.RequestContext",
    "clinchat.middleware.SecondFactor",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "clinchat.urls"
WSGI_APPLICATION = "clinchat.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "clinchat.context.page",
            ],
            "libraries": {"ui": "clinchat.lib.ui_tags"},
        },
    },
]

# ── Data ───────────────────────────────────────────────────────────────────────────────────────────────────────


def database(url: str) -> dict[str, object]:
    """Django's settings for a postgresql:// URL; query parameters become libpq options."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ImproperlyConfigured("DATABASE_URL must start with postgresql://.")
    options: dict[str, object] = dict(parse_qsl(parts.query))
    host = options.pop("host", parts.hostname or "")
    user = options.pop("user", unquote(parts.username or ""))
    if not EMBEDDED:
        options.setdefault("sslmode", "require")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": user,
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 5, **options},
    }


DATABASES = {"default": database(env.text("DATABASE_URL") or local.database_url())}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = env.text("REDIS_URL") or (local.redis_url() if EMBEDDED else "")
if not REDIS_URL:
    raise ImproperlyConfigured("REDIS_URL must be set when DATABASE_URL is.")

# ── People ─────────────────────────────────────────────────────────────────────────────────────────────────────
AUTH_USER_MODEL = "compliance.User"
AUDITLOG_LOGENTRY_MODEL = "compliance.AuditEvent"
MIGRATION_MODULES = {"auditlog": None}  # its own table is replaced by ours
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 15},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "signin"
LOGIN_REDIRECT_URL = "home"
OTP_TOTP_ISSUER = "ClinChat"
OTP_LOGIN_URL = "signin"

# ── Audit trail: the keys of its seals, and where checkpoints go that the database cannot take back ────────────
AUDIT_SIGNING_KEY_FILE = env.text("AUDIT_SIGNING_KEY_FILE") or (str(_keys / "audit_signing_key") if _keys else "")
AUDIT_PUBLIC_KEYS_FILE = env.text("AUDIT_PUBLIC_KEYS_FILE") or (str(_keys / "audit_public_keys") if _keys else "")
AUDIT_CHECKPOINT_FILES = env.words(
    "AUDIT_CHECKPOINT_FILES", str(VAR / "checkpoints" / "audit.jsonl") if EMBEDDED else ""
)
AUDIT_CHECKPOINT_SYSLOG = env.address("AUDIT_CHECKPOINT_SYSLOG")
PROXIES = env.number("CLINCHAT_PROXIES", 0, low=0, high=5)  # proxies in front whose word about the source is taken

# ── Sessions, cookies, transport ───────────────────────────────────────────────────────────────────────────────
ALLOWED_HOSTS = env.words("CLINCHAT_HOSTS", "127.0.0.1,localhost" if EMBEDDED else "")
CSRF_TRUSTED_ORIGINS = env.words("CLINCHAT_ORIGINS")
_prefix = "__Host-" if TLS else ""
SESSION_ENGINE = "compliance.access.session_store"
SESSION_COOKIE_NAME = f"{_prefix}session"
SESSION_COOKIE_AGE = 15 * 60  # seconds without activity: 45 CFR 164.312(a)(2)(iii), automatic logoff
SESSION_SAVE_EVERY_REQUEST = True
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = TLS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = f"{_prefix}csrftoken"
CSRF_FAILURE_VIEW = "compliance.views.errors.csrf_failure"
SECURE_SSL_REDIRECT = TLS
SECURE_REDIRECT_EXEMPT = [r"^api/health$", r"^api/ready$"]  # probes inside the network speak plain HTTP
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PROXIES else None
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = TLS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

_CSP = {
    "default-src": [NONE],
    "script-src": [SELF],
    "style-src": [SELF],
    "img-src": [SELF],
    "font-src": [SELF],
    "connect-src": [SELF],
    "form-action": [SELF],
    "base-uri": [NONE],
    "frame-ancestors": [NONE],
    "report-uri": ["/csp/"],
}
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {**_CSP, "require-trusted-types-for": ["'script'"], "trusted-types": ["'none'"]},
}
CONTENT_SECURITY_POLICY_ADMIN = {"DIRECTIVES": _CSP}  # the admin's jQuery builds nodes from strings

# ── Static files ───────────────────────────────────────────────────────────────────────────────────────────────
STATIC_URL = "/static/"
STATIC_ROOT = env.text("CLINCHAT_STATIC_ROOT") or VAR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# ── API ────────────────────────────────────────────────────────────────────────────────────────────────────────
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "EXCEPTION_HANDLER": "compliance.api.problems.handler",
}

# ── Celery ─────────────────────────────────────────────────────────────────────────────────────────────────────
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 2, "max_retries": 1, "visibility_timeout": 3600}
CELERY_TASK_PUBLISH_RETRY = False  # a person waits: say at once that the queue is gone
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False  # a lost answer is marked failed and retried by its author, never written twice
CELERY_TASK_TIME_LIMIT = 120
CELERY_TASK_SOFT_TIME_LIMIT = 90
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_TASK_DEFAULT_QUEUE = "maintenance"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_PROC_ALIVE_TIMEOUT = 60.0  # seconds; a new process loads its model first
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    "seal-events": {
        "task": "compliance.tasks.seal_events",
        "schedule": 2.0,
        "options": {"queue": "sealing", "expires": 2},
    },
    "make-months": {
        "task": "compliance.tasks.make_months",
        "schedule": crontab(hour="*/6", minute="5"),
        "options": {"queue": "sealing", "expires": 3600},
    },
    "verify-recent": {
        "task": "compliance.tasks.verify_recent",
        "schedule": crontab(minute="*/10"),
        "options": {"queue": "maintenance", "expires": 600},
    },
    "verify-all": {
        "task": "compliance.tasks.verify_all",
        "schedule": crontab(hour="2", minute="30"),
        "options": {"queue": "maintenance", "expires": 3600},
    },
    "fail-lost-answers": {
        "task": "chat.tasks.fail_lost_answers",
        "schedule": 10.0,
        "options": {"queue": "maintenance", "expires": 10},
    },
    "resume-embedding": {
        "task": "chat.tasks.embed_waiting_chunks",
        "schedule": 60.0,
        "options": {"queue": "embedding", "expires": 60},
    },
}

# ── Time, language, logs ───────────────────────────────────────────────────────────────────────────────────────
LANGUAGE_CODE = "en-us"
USE_I18N = False
USE_TZ = True
TIME_ZONE = env.text("CLINCHAT_TIME_ZONE", "UTC")
LOG_LEVEL = env.text("CLINCHAT_LOG_LEVEL", "INFO").upper()
if LOG_LEVEL not in logs.LEVELS:
    raise ImproperlyConfigured(f"CLINCHAT_LOG_LEVEL must be one of {', '.join(logs.LEVELS)}.")
LOGGING = logs.configuration(level=LOG_LEVEL)
CLINCHAT_SLOW_QUERY_MS = env.number("CLINCHAT_SLOW_QUERY_MS", 1000, low=1, high=3_600_000)
