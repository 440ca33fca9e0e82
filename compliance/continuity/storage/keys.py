"""Backup keys: what backups are encrypted and signed with.

Each key is derived from a 32-byte secret (BACKUP_KEY; several while keys are rotated). HKDF-SHA256 (RFC 5869) without
salt derives from it the AES-256 key that wraps the random key of every stream (streams.py) and the seed of the Ed25519
key that signs manifests. So the holder of the secret, and nobody else, can read a backup or make a valid one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from compliance.continuity.refusals import NoKey

KEY_BYTES = 32


@dataclass(frozen=True)
class Key:
    """The keys derived from one secret. `id` is a hash of the secret: 16 hex digits, and public."""

    id: str
    wrapping_key: bytes = field(repr=False)
    _signing_key: Ed25519PrivateKey = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature of the message, 64 bytes."""
        return self._signing_key.sign(message)

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether `signature` is this key's signature of the message."""
        try:
            self._signing_key.public_key().verify(signature, message)
        except InvalidSignature:
            return False
        return True

    @property
    def public_key(self) -> bytes:
        """The public Ed25519 key that verifies its signatures, 32 bytes."""
        return self._signing_key.public_key().public_bytes_raw()


def derive(secret: bytes) -> Key:
    """The key of one secret of settings.BACKUP_KEYS, which is KEY_BYTES long."""
    return Key(
        id=hashlib.sha256(b"clinchat backup key id" + secret).hexdigest()[:16],
        wrapping_key=_hkdf(secret, b"clinchat backup wrapping"),
        _signing_key=Ed25519PrivateKey.from_private_bytes(_hkdf(secret, b"clinchat backup signing")),
    )


def ring() -> list[Key]:
    """The backup keys of this process: the primary, which encrypts and signs, then older ones. Raises NoKey."""
    try:
        return [derive(secret) for secret in settings.BACKUP_KEYS()]
    except ImproperlyConfigured:
        raise NoKey(
            "This process has no backup key: BACKUP_KEY_FILE must name a file with it (32 bytes in base64)."
        ) from None


def available() -> bool:
    """Whether this process has a backup key."""
    try:
        return bool(ring())
    except NoKey:
        return False


def newest() -> Key:
    """The key that encrypts and signs what is written now. Raises NoKey."""
    return ring()[0]


def find(key_id: str, keys: Sequence[Key]) -> Key | None:
    """The key with that id among `keys`, or None."""
    return next((key for key in keys if key.id == key_id), None)


def _hkdf(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(secret)
