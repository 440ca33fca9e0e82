"""Key-encryption keys in a file: AES-256 keys in base64, one a line, the newest first.

Earlier keys stay below it until `manage.py rotate_keys` has wrapped everything with the newest.
"""

from __future__ import annotations

import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from clinchat.lib.keys import KeysUnavailable, Unsealable

NONCE_BYTES = 12


def key_id(key: bytes) -> str:
    """Names a key without giving it away."""
    return hashlib.sha256(b"clinchat key id" + key).hexdigest()[:16]


class FileKeys:
    """Reads the file again when it meets a key it does not know: a rotation needs no restart."""

    def __init__(self) -> None:
        self._ring = self._read()

    def _read(self) -> dict[str, bytes]:
        """Key by id, the newest first."""
        from django.core.exceptions import ImproperlyConfigured

        try:
            return {key_id(key): key for key in settings.SEALING_KEYS()}
        except ImproperlyConfigured:
            raise KeysUnavailable from None

    def current(self) -> str:
        self._ring = self._read()
        return next(iter(self._ring))

    def wrap(self, data_key: bytes, *, aad: bytes) -> tuple[str, bytes]:
        newest, key = next(iter(self._ring.items()))
        nonce = os.urandom(NONCE_BYTES)
        return newest, nonce + AESGCM(key).encrypt(nonce, data_key, aad)

    def unwrap(self, key_id: str, wrapped: bytes, *, aad: bytes) -> bytes:
        if key_id not in self._ring:
            self._ring = self._read()
        key = self._ring.get(key_id)
        if key is None:
            raise Unsealable
        try:
            return AESGCM(key).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], aad)
        except (InvalidTag, ValueError):
            raise Unsealable from None
