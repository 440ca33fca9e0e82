"""What a full backup holds beside the dump: files of the apps, settings without secrets, known questions.

Apps register their files and questions in AppConfig.ready().
"""

from __future__ import annotations

import json
import logging
import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import django
import psycopg
from django.conf import settings

from clinchat import __version__
from compliance.audit import signing
from compliance.continuity.refusals import ContinuityError
from compliance.continuity.storage import keys

logger = logging.getLogger("clinchat.continuity")
Locate = Callable[[], Path | None]
Question = dict[str, Any]

FILES: Final = "files.tar"
CONFIGURATION: Final = "configuration.json"
EXPORTED_SETTINGS: Final = (
    *("ENVIRONMENT", "EMBEDDED", "TLS", "PROXIES", "PORTAL_URL", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "TIME_ZONE"),
    *("CLINCHAT_KEYS", "KMS_KEY_IDS", "VAULT_ADDR", "VAULT_KEY", "LDAP_URL", "OIDC_ISSUER", "XAPI_URL", "LOG_LEVEL"),
    *("SESSION_COOKIE_AGE", "CLINCHAT_SESSION_HOURS", "CLINCHAT_PASSWORD_LENGTH", "LIMITS", "PHI_NER", "LEGAL_HOLD"),
    *("VALUES_DAYS", "CONVERSATION_DAYS", "LOG_DAYS", "CLINCHAT_EMBEDDING_MODEL", "CLINCHAT_SPARSE"),
    *("BACKUP_STORES", "BACKUP_PITR", "S3_URL", "S3_REGION", "AUDIT_CHECKPOINT_FILES", "AUDIT_PUBLIC_KEYS_FILE"),
    *("TRAINING_CONTENT", "INTERACTIONS_BACKUP", "POSTGRES_PROGRAMS"),
)
"""Names of the settings that configuration.json holds: an allow-list, so that no secret gets in by accident."""
_CHUNK_BYTES: Final = 1024 * 1024
_extra: dict[str, Locate] = {}
_providers: list[Callable[[], Sequence[Question]]] = []


def register_file(name: str, locate: Locate) -> None:
    """Include a file or folder in files.tar under this name. `locate` is called for each backup.

    Where it returns None or a path that does not exist, nothing is included. No secrets: a backup holds no keys.
    """
    _extra[name] = locate


def register_questions(provider: Callable[[], Sequence[Question]]) -> None:
    """Include questions, each with the ids that the search finds for it, in the manifest: a drill compares them.

    `provider` is called while the default connection sees the snapshot of the backup. No patient data.
    """
    _providers.append(provider)


def known_questions() -> list[Question] | None:
    """What all providers return; None where one failed."""
    try:
        return [one for provider in _providers for one in provider()]
    except Exception as error:  # noqa: BLE001  # no backup fails for want of a search; the drill reports it
        logger.warning("known questions were not asked: %s", type(error).__name__, extra={"code": "BACKUP_QUESTIONS"})
        return None


def files() -> Iterator[tuple[str, Path]]:
    """Names in files.tar, with the path of each file. Symbolic links are skipped."""
    paths = _own_files() | {name: locate() for name, locate in _extra.items()}
    for name, path in sorted(paths.items()):
        if path is None or path.is_symlink():
            continue
        if path.is_file():
            yield name, path
        elif path.is_dir():
            for found in sorted(path.rglob("*")):
                if found.is_file() and not found.is_symlink():
                    yield f"{name}/{found.relative_to(path).as_posix()}", found


def files_tar() -> Iterator[bytes]:
    """The files as a tar archive; of one that is being appended to, as much as there was when it was opened.

    Raises ContinuityError.
    """
    for name, path in files():
        try:
            with path.open("rb") as file:
                state = os.fstat(file.fileno())
                info = tarfile.TarInfo(name)
                info.size, info.mtime, info.mode = state.st_size, int(state.st_mtime), 0o600
                yield info.tobuf(tarfile.PAX_FORMAT)
                remaining = state.st_size
                while remaining:
                    chunk = file.read(min(remaining, _CHUNK_BYTES))
                    if not chunk:
                        raise ContinuityError(f"{name} became shorter while it was copied.")
                    remaining -= len(chunk)
                    yield chunk
        except OSError as error:
            raise ContinuityError(f"{name} could not be copied: {error.strerror}.") from None
        yield bytes(-state.st_size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def configuration() -> bytes:
    """The bytes of configuration.json: how this installation is configured, for setting it up again."""
    content = {
        "version": __version__,
        "django": django.get_version(),
        "psycopg": psycopg.__version__,
        "settings": {name: getattr(settings, name) for name in EXPORTED_SETTINGS},
        "audit_public_keys": {name: public.hex() for name, public in _audit_public_keys().items()},
        "backup_public_keys": {key.id: key.public_key.hex() for key in keys.ring()},
        "files": [name for name, _ in files()],
    }
    return json.dumps(content, indent=1, sort_keys=True, default=str).encode()


def _audit_public_keys() -> dict[str, bytes]:
    try:
        return signing.public_keys()
    except signing.KeyUnusable:
        return {}


def _own_files() -> dict[str, Path | None]:
    checkpoints = {
        f"audit/checkpoints/{number}.jsonl": Path(path)
        for number, path in enumerate(settings.AUDIT_CHECKPOINT_FILES, 1)
    }
    public = settings.AUDIT_PUBLIC_KEYS_FILE
    return {**checkpoints, "audit/public_keys": Path(public) if public else None}
