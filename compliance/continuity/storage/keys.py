"""What a backup is encrypted and signed with. All of it comes from one secret, the backup key (BACKUP_KEY).

From each AES-256 key follow, by HKDF-SHA256 (RFC 5869) without salt, the key that wraps the random key of a stream and
the seed of the Ed25519 key that signs manifests. So whoever has the backup key, and nobody else, can read a backup and
make one that is believed.
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
    """One backup key. Its id names it without giving it away."""

    id: str
    wrapping: bytes = field(repr=False)
    _signing: Ed25519PrivateKey = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature, 64 bytes."""
        return self._signing.sign(message)

    def signed(self, message: bytes, signature: bytes) -> bool:
        """Whether this key made the signature (Ed25519, 64 bytes)."""
        try:
            self._signing.public_key().verify(signature, message)
        except InvalidSignature:
            return False
        return True

    @property
    def public(self) -> bytes:
        """The half of the signing key that anybody may know."""
        return self._signing.public_key().public_bytes_raw()


def of(secret: bytes) -> Key:
    """The key that follows from one of BACKUP_KEYS, KEY_BYTES long."""
    return Key(
        id=hashlib.sha256(b"clinchat backup key id" + secret).hexdigest()[:16],
        wrapping=_derived(secret, b"clinchat backup wrapping"),
        _signing=Ed25519PrivateKey.from_private_bytes(_derived(secret, b"clinchat backup signing")),
    )


def ring() -> list[Key]:
    """The backup keys of this process, the newest first. Raises NoKey."""
    try:
        return [of(secret) for secret in settings.BACKUP_KEYS()]
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
    """The key that new backups are made with. Raises NoKey."""
    return ring()[0]


def find(key_id: str, keys: Sequence[Key]) -> Key | None:
    """The one of that id; None: it is none of these."""
    return next((key for key in keys if key.id == key_id), None)


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(secret)
