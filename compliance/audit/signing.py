"""The keys of the seals (Ed25519, RFC 8032). They are files outside the database.

Only the process that seals may read the private key. Whoever verifies needs the public ones: a text file with one
key of 32 bytes in base64 a line, the present one and those it followed.
"""

from __future__ import annotations

import base64
import hashlib
import stat
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings

TOO_OPEN = stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP


class KeyUnusable(Exception):
    """A key file is missing, malformed or open to others; `line` says which and what to do, for the operator."""

    def __init__(self, line: str) -> None:
        super().__init__(line)
        self.line = line


def key_id(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()[:16]


def private_key() -> Ed25519PrivateKey:
    """The key that signs. Raises KeyUnusable, also when its public half is not among the public keys."""
    if not settings.AUDIT_SIGNING_KEY_FILE:
        raise KeyUnusable("AUDIT_SIGNING_KEY_FILE names no file: this process cannot seal.")
    path = Path(settings.AUDIT_SIGNING_KEY_FILE)
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise KeyUnusable(f"The signing key {path} cannot be read. Restore it, or make a new pair of keys.") from None
    if mode & TOO_OPEN:
        raise KeyUnusable(f"The signing key {path} is open to other accounts. Close it: chmod 600 {path}")
    key = Ed25519PrivateKey.from_private_bytes(_decoded(text, path))
    if key_id(key.public_key().public_bytes_raw()) not in public_keys():
        raise KeyUnusable(
            f"The public half of {path} is not in {settings.AUDIT_PUBLIC_KEYS_FILE}. Add it there as a line of its own."
        )
    return key


def public_keys() -> dict[str, bytes]:
    """The keys that are believed, by their ids. Raises KeyUnusable."""
    if not settings.AUDIT_PUBLIC_KEYS_FILE:
        raise KeyUnusable("AUDIT_PUBLIC_KEYS_FILE names no file, so no seal can be verified.")
    path = Path(settings.AUDIT_PUBLIC_KEYS_FILE)
    try:
        return _read_public(path, path.stat().st_mtime_ns)
    except (OSError, UnicodeDecodeError):
        raise KeyUnusable(f"The public keys {path} cannot be read, so no seal can be verified.") from None


@lru_cache(maxsize=4)
def _read_public(path: Path, _changed: int) -> dict[str, bytes]:
    keys = [_decoded(line, path) for line in path.read_text(encoding="ascii").splitlines() if line.strip()]
    if not keys:
        raise KeyUnusable(f"{path} holds no key.")
    return {key_id(key): key for key in keys}


def _decoded(text: str, path: Path) -> bytes:
    try:
        value = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        value = b""
    if len(value) != 32:
        raise KeyUnusable(f"{path} does not hold an Ed25519 key: 32 bytes in base64 are expected.")
    return value


def valid(*, key: str, message: bytes, signature: bytes) -> bool:
    """Whether one of the public keys, the one with the id `key`, signed these bytes."""
    public = public_keys().get(key)
    if public is None:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True
