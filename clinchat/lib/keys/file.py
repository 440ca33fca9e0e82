"""Key-encryption keys in a file: AES-256 keys in base64, one a line, the newest first.

Earlier keys stay below it until `manage.py rotate_keys` has wrapped everything with the newest.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from clinchat.lib.keys import KeptElsewhere, KeysUnavailable, Unsealable

NONCE_BYTES = 12
KEY_BYTES = 32
_Stamp = tuple[int, int, int]


def key_id(key: bytes) -> str:
    """Names a key without giving it away."""
    return hashlib.sha256(b"clinchat key id" + key).hexdigest()[:16]


class FileKeys:
    """Reads the file again as soon as it has changed: a rotation needs no restart."""

    def __init__(self) -> None:
        self._read_at, self._ring = _stamp(), _read()

    def _keys(self) -> dict[str, bytes]:
        """Key by id, the newest first. One system call while nothing has changed."""
        stamp = _stamp()
        if stamp != self._read_at:
            self._ring, self._read_at = _read(), stamp
        return self._ring

    def current(self) -> str:
        return next(iter(self._keys()))

    def made_at(self) -> datetime | None:
        """The file is written when a key is made or removed, and never else."""
        path = settings.SEALING_KEY_PATH
        if path is None:
            return None
        try:
            return datetime.fromtimestamp(Path(path).stat().st_mtime, UTC)
        except OSError:
            raise KeysUnavailable from None

    def powers(self) -> list[str] | None:
        """There is no service that could be asked for more."""
        return []

    def wrap(self, data_key: bytes, *, aad: bytes) -> tuple[str, bytes]:
        newest, key = next(iter(self._keys().items()))
        nonce = os.urandom(NONCE_BYTES)
        return newest, nonce + AESGCM(key).encrypt(nonce, data_key, aad)

    def unwrap(self, key_id: str, wrapped: bytes, *, aad: bytes) -> bytes:
        key = self._keys().get(key_id)
        if key is None:
            raise Unsealable
        try:
            return AESGCM(key).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], aad)
        except (InvalidTag, ValueError):
            raise Unsealable from None

    def renew(self) -> str:
        new = os.urandom(KEY_BYTES)
        _write([new, *self._keys().values()])
        return key_id(new)

    def retire(self, used: Collection[str]) -> list[str]:
        ring = self._keys()
        kept = {name: key for name, key in ring.items() if name == self.current() or name in used}
        if len(kept) < len(ring):
            _write(list(kept.values()))
        return [name for name in ring if name not in kept]


def _stamp() -> _Stamp | None:
    """What changes when the file does; None where the keys are in the environment."""
    path = settings.SEALING_KEY_PATH
    if path is None:
        return None
    try:
        found = Path(path).stat()
    except OSError:
        raise KeysUnavailable from None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _read() -> dict[str, bytes]:
    from django.core.exceptions import ImproperlyConfigured

    try:
        return {key_id(key): key for key in settings.SEALING_KEYS()}
    except ImproperlyConfigured:
        raise KeysUnavailable from None


def _write(ring: list[bytes]) -> None:
    """Replace the file as a whole, with the rights and owner it has: a reader sees the old ring or the new one."""
    path = settings.SEALING_KEY_PATH
    if path is None:
        raise KeptElsewhere(
            "The sealing keys are in the variable SEALING_KEY, which a process cannot change. Change it there (the "
            "newest key first), start every process anew, then run this command without --new and --retire."
        )
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        was = path.stat()
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, was.st_mode & 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchown(file.fileno(), was.st_uid, was.st_gid)
            file.write(b"".join(base64.b64encode(key) + b"\n" for key in ring))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    except OSError:
        draft.unlink(missing_ok=True)
        raise KeptElsewhere(
            f"{path} cannot be written here. With compose the keys are changed outside of the containers: "
            "docs/operations.md says how."
        ) from None
