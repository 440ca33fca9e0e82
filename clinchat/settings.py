"""The one settings module. The environment decides; every default is the secure one.

Without DATABASE_URL the embedded PostgreSQL and Redis of `clinchat.local` are used ("embedded mode"): one machine,
loopback only, keys in var/keys. With it, everything else must be given too. docs/configuration.md lists the variables.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from clinchat import __version__, backups, embedding, env, local, schedule
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


SEALING_KEY_PATH = env.secret_file("SEALING_KEY", file=_keys / "sealing_key" if _keys else None)


def SEALING_KEYS() -> list[bytes]:  # noqa: N802  # a setting
    """The key-encryption keys of CLINCHAT_KEYS=file, read anew at each call: a rotation needs no restart."""
    return env.keys("SEALING_KEY", file=_keys / "sealing_key" if _keys else None)


VAULT_ADDR = env.text("CLINCHAT_VAULT_ADDR")
VAULT_KEY = env.text("CLINCHAT_VAULT_KEY", "clinchat")
VAULT_TOKEN_FILE = env.text("CLINCHAT_VAULT_TOKEN_FILE")
VAULT_CA_FILE = env.text("CLINCHAT_VAULT_CA_FILE")
KMS_KEY_IDS = env.words("CLINCHAT_KMS_KEYS")
match CLINCHAT_KEYS:  # a missing key stops the process now, not at the first patient
    case "file":
        SEALING_KEYS()
    case "vault":
        env.encrypted("CLINCHAT_VAULT_ADDR", "https")
        if not VAULT_TOKEN_FILE:
            raise ImproperlyConfigured("CLINCHAT_VAULT_TOKEN_FILE must be set when CLINCHAT_KEYS is vault.")
    case "kms":
        if not KMS_KEY_IDS or not all(re.fullmatch(r"arn:[a-z-]+:kms:.+:key/.+", arn) for arn in KMS_KEY_IDS):
            raise ImproperlyConfigured("CLINCHAT_KMS_KEYS must be ARNs of keys, arn:aws:kms:…:key/…, the newest first.")

# ── Apps and middleware ────────────────────────────────────────────────────────────────────────────────────────
INSTALLED_APPS = [
    "compliance.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_otp",
    "django_otp.plugins.otp_static",
    "auditlog",
    "csp",
    "rest_framework",
    "clinchat",
    "compliance",
    "django_otp_webauthn",  # after compliance: it asks for the model of people when it is loaded
    "training",
    "chat",
]
MIDDLEWARE = [
    "clinchat.middleware.ResponseHeaders",
    "csp.middleware.CSPMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "clinchat.middleware.NetworkBlocks",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "clinchat.middleware.RequestContext",
    "clinchat.middleware.ReadOnly",
    "clinchat.middleware.RateLimits",
    "compliance.api.bearer.BearerToken",
    "clinchat.middleware.SecondFactor",
    "clinchat.middleware.SessionLimits",
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
            "libraries": {"ui": "clinchat.lib.ui_tags", "interactions": "chat.interaction_tags"},
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
        "OPTIONS": {"connect_timeout": 5, "application_name": "clinchat", **options},
    }


DATABASES = {"default": database(env.text("DATABASE_URL") or local.database_url())}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = env.text("REDIS_URL") or (local.redis_url() if EMBEDDED else "")
if not REDIS_URL:
    raise ImproperlyConfigured("REDIS_URL must be set when DATABASE_URL is.")
if _redis_password := env.password("REDIS_PASSWORD"):
    REDIS_URL = env.with_password(REDIS_URL, _redis_password)

# ── People ─────────────────────────────────────────────────────────────────────────────────────────────────────
AUTH_USER_MODEL = "compliance.User"
AUDITLOG_LOGENTRY_MODEL = "compliance.AuditEvent"
MIGRATION_MODULES = {"auditlog": None}  # its own table is replaced by ours
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
CLINCHAT_PASSWORD_LENGTH = env.number("CLINCHAT_PASSWORD_LENGTH", 15, low=8, high=64)
CLINCHAT_PASSWORD_RULES = env.flag("CLINCHAT_PASSWORD_RULES", default=False)  # kinds of characters
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"compliance.access.passwords.{name}"} for name in ("Length", "Rules", "Common", "Personal")
]
LDAP_URL = env.text("CLINCHAT_LDAP_URL")
LDAP_BASE = env.text("CLINCHAT_LDAP_BASE")
LDAP_BIND_DN = env.text("CLINCHAT_LDAP_BIND_DN")
LDAP_BIND_PASSWORD = env.password("CLINCHAT_LDAP_BIND_PASSWORD")
LDAP_CA_FILE = env.text("CLINCHAT_LDAP_CA_FILE")
LDAP_USER_FILTER = env.text("CLINCHAT_LDAP_USER_FILTER", "(&(objectClass=person)(mail={email}))")
OIDC_ISSUER = env.text("CLINCHAT_OIDC_ISSUER")
OIDC_CLIENT_ID = env.text("CLINCHAT_OIDC_CLIENT_ID")
OIDC_CLIENT_SECRET = env.password("CLINCHAT_OIDC_CLIENT_SECRET")
OIDC_NAME = env.text("CLINCHAT_OIDC_NAME", "your hospital account")
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
if LDAP_URL:
    env.encrypted("CLINCHAT_LDAP_URL", "ldaps", "ldap")  # with ldap:// nothing is said before StartTLS
    if not LDAP_BASE or not {"{email}", "{name}"} & set(re.findall(r"{\w+}", LDAP_USER_FILTER)):
        raise ImproperlyConfigured("CLINCHAT_LDAP_BASE is missing, or CLINCHAT_LDAP_USER_FILTER asks for nobody.")
    AUTHENTICATION_BACKENDS.append("compliance.directory.ldap.Ldap")
if OIDC_ISSUER:
    env.encrypted("CLINCHAT_OIDC_ISSUER", "https")
    if not OIDC_CLIENT_ID or not OIDC_CLIENT_SECRET:
        raise ImproperlyConfigured("CLINCHAT_OIDC_CLIENT_ID and CLINCHAT_OIDC_CLIENT_SECRET must both be set.")

# ── Audit trail: the keys of its seals, and where checkpoints go that the database cannot take back ────────────
AUDIT_SIGNING_KEY_FILE = env.text("AUDIT_SIGNING_KEY_FILE") or (str(_keys / "audit_signing_key") if _keys else "")
AUDIT_PUBLIC_KEYS_FILE = env.text("AUDIT_PUBLIC_KEYS_FILE") or (str(_keys / "audit_public_keys") if _keys else "")
AUDIT_CHECKPOINT_FILES = env.words(
    "AUDIT_CHECKPOINT_FILES", str(VAR / "checkpoints" / "audit.jsonl") if EMBEDDED else ""
)
AUDIT_CHECKPOINT_SYSLOG = env.address("AUDIT_CHECKPOINT_SYSLOG")
PROXIES = env.number("CLINCHAT_PROXIES", 0, low=0, high=5)  # proxies in front whose word about the source is taken

# ── Limits: so many of each by one person, and of sign-ins from one address; others have ten times that (limits.py) ──
LIMITS = {
    "sign_in": env.rate("CLINCHAT_LIMIT_SIGN_IN", "20/300"),
    "ask": env.rate("CLINCHAT_LIMIT_ASK", "30/600"),
    "draft": env.rate("CLINCHAT_LIMIT_DRAFT", "40/60"),
    "mask_report": env.rate("CLINCHAT_LIMIT_MASK_REPORT", "20/600"),
    "api": env.rate("CLINCHAT_LIMIT_API", "120/60"),
    "export": env.rate("CLINCHAT_LIMIT_EXPORT", "10/3600"),
}
CLINCHAT_GEOIP_FILE = env.file("CLINCHAT_GEOIP_FILE")  # countries of addresses, MaxMind DB format
CLINCHAT_ABSTENTION = env.number("CLINCHAT_ABSTENTION", 5, low=1, high=30)  # of 100 answerable questions, unanswered
CLAMD = env.address("CLINCHAT_CLAMD")  # asked about each uploaded file

# ── Embedding models ───────────────────────────────────────────────────────────────────────────────────────────
CLINCHAT_EMBEDDING_MODEL = env.text("CLINCHAT_EMBEDDING_MODEL")  # that a new installation is indexed with
CLINCHAT_SPARSE = env.flag("CLINCHAT_SPARSE", default=False)  # the learned sparse model as a third leg of the search
EMBEDDING_ENDPOINT = embedding.endpoint()

# ── Sessions, cookies, transport ───────────────────────────────────────────────────────────────────────────────
PHI_NER = env.flag("CLINCHAT_PHI_NER", default=True)  # the named-entity model as a second layer
PHI_DEADLINE_SECONDS = 10  # after which a text is given up and its question refused
LEGAL_HOLD = env.flag("CLINCHAT_LEGAL_HOLD", default=False)  # nothing is purged, and no value is forgotten
VALUES_DAYS = env.number("CLINCHAT_VALUES_DAYS", 365, low=1, high=3650)  # of what tokens stand for, idle ones
CONVERSATION_DAYS = env.number("CLINCHAT_CONVERSATION_DAYS", 2555, low=30, high=7300)  # after the last question
LOG_DAYS = env.number("CLINCHAT_LOG_DAYS", 365, low=7, high=3650)  # notices, ended sessions, what ran when
ALLOWED_HOSTS = env.words("CLINCHAT_HOSTS", "127.0.0.1,localhost" if EMBEDDED else "")
CSRF_TRUSTED_ORIGINS = env.words("CLINCHAT_ORIGINS")
OTP_WEBAUTHN_RP_NAME = "ClinChat"
OTP_WEBAUTHN_RP_ID = env.domain("CLINCHAT_PASSKEY_DOMAIN", candidates=ALLOWED_HOSTS)
_home = "http://localhost" if OTP_WEBAUTHN_RP_ID == "localhost" and not TLS else f"https://{OTP_WEBAUTHN_RP_ID}"
OTP_WEBAUTHN_ALLOWED_ORIGINS = [
    f"{_home}:{PORT}" if EMBEDDED else _home,
    *(
        o
        for o in CSRF_TRUSTED_ORIGINS
        if o.startswith("https:") and f".{urlsplit(o).hostname}".endswith(f".{OTP_WEBAUTHN_RP_ID}")
    ),
]
OTP_WEBAUTHN_ALLOW_PASSWORDLESS_LOGIN = False  # a passkey is the second step; the password stays the first
_prefix = "__Host-" if TLS else ""
SESSION_ENGINE = "compliance.access.session_store"
SESSION_COOKIE_NAME = f"{_prefix}session"
# Automatic logoff, 45 CFR 164.312(a)(2)(iii): both limits can be made shorter, not longer.
SESSION_COOKIE_AGE = 60 * env.number("CLINCHAT_SESSION_IDLE_MINUTES", 15, low=1, high=15)
CLINCHAT_SESSION_HOURS = env.number("CLINCHAT_SESSION_HOURS", 12, low=1, high=12)
SESSION_SAVE_EVERY_REQUEST = False  # SessionLimits renews a session when its person does something
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
FILE_UPLOAD_HANDLERS = ["clinchat.lib.http.NoFiles"]

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

# ── Drug interactions: the folder of the copy that is used when the database is away ───────────────────────────
INTERACTIONS_BACKUP = env.text("CLINCHAT_INTERACTIONS_BACKUP") or str(VAR / "interactions")

# ── Backups: where they go, and what makes them ────────────────────────────────────────────────────────────────────
BACKUP_STORES: list[str] = backups.stores(VAR / "backups" if EMBEDDED else None)
BACKUP_KEY_PATH = env.secret_file("BACKUP_KEY", file=_keys / "backup_key" if _keys else None)


def BACKUP_KEYS() -> list[bytes]:  # noqa: N802  # a setting
    """Read where backups are made or read, and nowhere else: no other process has the key."""
    return env.keys("BACKUP_KEY", file=_keys / "backup_key" if _keys else None)


BACKUP_PITR = env.flag("CLINCHAT_PITR", default=EMBEDDED)  # base copies, and the log shipped as it is written
ENVIRONMENT = env.text("CLINCHAT_ENVIRONMENT", "local" if EMBEDDED else "production")[:40]
OWNER_DATABASE_URL = env.text("CLINCHAT_OWNER_DATABASE_URL")  # of the role that may copy and restore the database
POSTGRES_PROGRAMS = env.text("CLINCHAT_POSTGRES_PROGRAMS")  # their folder
S3_URL: str = backups.service()
S3_REGION: str = env.text("CLINCHAT_S3_REGION", "us-east-1")
S3_ACCESS_KEY = env.password("CLINCHAT_S3_ACCESS_KEY")
S3_SECRET_KEY = env.password("CLINCHAT_S3_SECRET_KEY")

# ── Training: its content, the key its certificates are signed with, and a learning record store ───────────────────
TRAINING_CONTENT = env.text("CLINCHAT_TRAINING_CONTENT") or str(BASE_DIR / "training" / "content")
CERTIFICATE_KEY = env.key("CERTIFICATE_KEY", file=_keys / "certificate_key" if _keys else None)
XAPI_URL = env.text("CLINCHAT_XAPI_URL")
XAPI_USER = env.text("CLINCHAT_XAPI_USER")
XAPI_PASSWORD = env.password("CLINCHAT_XAPI_PASSWORD")
if XAPI_URL:
    env.encrypted("CLINCHAT_XAPI_URL", "https")

# ── E-mail ─────────────────────────────────────────────────────────────────────────────────────────────────────
MAIL_URL = env.text("CLINCHAT_MAIL_URL")
if MAIL_URL:
    vars().update(env.mail("CLINCHAT_MAIL_URL", password=env.password("CLINCHAT_MAIL_PASSWORD")))
DEFAULT_FROM_EMAIL = env.text("CLINCHAT_MAIL_FROM", "clinchat@localhost")
EMAIL_SUBJECT_PREFIX = "ClinChat: "
EMAIL_TIMEOUT = 10
PORTAL_URL = env.text("CLINCHAT_URL") or (
    f"http://127.0.0.1:{PORT}" if EMBEDDED else f"https://{ALLOWED_HOSTS[0] if ALLOWED_HOSTS else 'localhost'}"
)

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
    "DEFAULT_PARSER_CLASSES": ["compliance.api.bodies.JsonBody"],
    "DEFAULT_AUTHENTICATION_CLASSES": ["compliance.api.bearer.BearerOrSession"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_METADATA_CLASS": None,  # OPTIONS would describe a view to whoever asks
    "EXCEPTION_HANDLER": "compliance.api.problems.handler",
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "ClinChat",
    "VERSION": __version__,
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/api/",
    "COMPONENT_SPLIT_PATCH": False,  # what a change must hold is the same whatever the verb
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "MedicineKind": "chat.api.drugs.KINDS",
        "PartStatus": "chat.api.drugs.HEALTH",
        "ServiceStatus": "compliance.api.views.USED",
        "SystemStatus": "compliance.api.views.ALL",
        "DocumentKind": "chat.models.library.Kind",
        "DocumentStatus": "chat.models.library.DocumentVersion.Status",
        "FindingKind": "chat.models.library.Finding.Kind",
        "UploadState": "chat.models.library.Upload.State",
        "ReleaseKind": "chat.models.releases.Release.Kind",
        "ReleaseState": "chat.models.releases.Release.State",
        "TrainingState": "training.api.shown.STATES",
        "TurnKind": "training.models.learning.Enrolment.Kind",
        "AttemptState": "training.api.shown.ATTEMPT_STATES",
        "QuestionKind": "training.api.shown.KINDS",
        "AccessStage": "training.models.approvals.Stage",
        "AccessStep": "training.models.approvals.Step",
        "DecisionStep": "training.api.requests.DECISIONS",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "compliance.api.schema.with_problems",
    ],
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
CELERY_BEAT_SCHEDULE = schedule.EVERY

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
