"""What is in a backup beside the database: files that others register, settings that are no secret, known questions."""

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
Where = Callable[[], Path | None]
Question = dict[str, Any]

FILES: Final = "files.tar"
CONFIGURATION: Final = "configuration.json"
SHOWN: Final = (
    *("ENVIRONMENT", "EMBEDDED", "TLS", "PROXIES", "PORTAL_URL", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "TIME_ZONE"),
    *("CLINCHAT_KEYS", "KMS_KEY_IDS", "VAULT_ADDR", "VAULT_KEY", "LDAP_URL", "OIDC_ISSUER", "XAPI_URL", "LOG_LEVEL"),
    *("SESSION_COOKIE_AGE", "CLINCHAT_SESSION_HOURS", "CLINCHAT_PASSWORD_LENGTH", "LIMITS", "PHI_NER", "LEGAL_HOLD"),
    *("VALUES_DAYS", "CONVERSATION_DAYS", "LOG_DAYS", "CLINCHAT_EMBEDDING_MODEL", "CLINCHAT_SPARSE"),
    *("BACKUP_STORES", "BACKUP_PITR", "S3_URL", "S3_REGION", "AUDIT_CHECKPOINT_FILES", "AUDIT_PUBLIC_KEYS_FILE"),
    *("TRAINING_CONTENT", "INTERACTIONS_BACKUP", "POSTGRES_PROGRAMS"),
)
"""The settings that configuration.json names. Each is added here by name, so that no secret comes in by itself."""
_PIECE: Final = 1024 * 1024
_extra: dict[str, Where] = {}
_providers: list[Callable[[], Sequence[Question]]] = []


def extra_file(name: str, where: Where) -> None:
    """Put a file or folder into files.tar under this name. None, or what is not there, is left out.

    Called in AppConfig.ready(). Nothing secret: keys are not part of a backup.
    """
    _extra[name] = where


def known_questions(provider: Callable[[], Sequence[Question]]) -> None:
    """What this gives is in the manifest: questions, and ids of what was found for them, by which a drill compares.

    It is called while the default connection sees the database as the backup does. No text of a patient.
    """
    _providers.append(provider)


def asked() -> list[Question] | None:
    """The answers of the providers; None where one could not be asked."""
    try:
        return [one for provider in _providers for one in provider()]
    except Exception as error:  # noqa: BLE001  # a search that does not work must not cost the backup; the drill says so
        logger.warning("known questions were not asked: %s", type(error).__name__, extra={"code": "BACKUP_QUESTIONS"})
        return None


def files() -> Iterator[tuple[str, Path]]:
    """Names in files.tar, and where each is now. Links are not followed."""
    places = _own() | {name: where() for name, where in _extra.items()}
    for name, path in sorted(places.items()):
        if path is None or path.is_symlink():
            continue
        if path.is_file():
            yield name, path
        elif path.is_dir():
            for found in sorted(path.rglob("*")):
                if found.is_file() and not found.is_symlink():
                    yield f"{name}/{found.relative_to(path).as_posix()}", found


def files_tar() -> Iterator[bytes]:
    """The files as a tar archive, each as long as it was when its turn came: some grow. Raises ContinuityError."""
    for name, path in files():
        try:
            with path.open("rb") as file:
                state = os.fstat(file.fileno())
                info = tarfile.TarInfo(name)
                info.size, info.mtime, info.mode = state.st_size, int(state.st_mtime), 0o600
                yield info.tobuf(tarfile.PAX_FORMAT)
                left = state.st_size
                while left:
                    piece = file.read(min(left, _PIECE))
                    if not piece:
                        raise ContinuityError(f"{name} became shorter while it was copied.")
                    left -= len(piece)
                    yield piece
        except OSError as error:
            raise ContinuityError(f"{name} could not be copied: {error.strerror}.") from None
        yield bytes(-state.st_size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def configuration() -> bytes:
    """configuration.json: how this installation is set up, for whoever must set it up again."""
    said = {
        "version": __version__,
        "django": django.get_version(),
        "psycopg": psycopg.__version__,
        "settings": {name: getattr(settings, name) for name in SHOWN},
        "audit_public_keys": {name: public.hex() for name, public in _audit_keys().items()},
        "backup_public_keys": {key.id: key.public.hex() for key in keys.ring()},
        "files": [name for name, _ in files()],
    }
    return json.dumps(said, indent=1, sort_keys=True, default=str).encode()


def _audit_keys() -> dict[str, bytes]:
    try:
        return signing.public_keys()
    except signing.KeyUnusable:
        return {}


def _own() -> dict[str, Path | None]:
    checkpoints = {
        f"audit/checkpoints/{number}.jsonl": Path(path)
        for number, path in enumerate(settings.AUDIT_CHECKPOINT_FILES, 1)
    }
    public = settings.AUDIT_PUBLIC_KEYS_FILE
    return {**checkpoints, "audit/public_keys": Path(public) if public else None}
