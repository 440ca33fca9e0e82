"""Authenticated encryption of single values (AES-256-GCM, NIST SP 800-38D).

Each value has a data key of its own, wrapped by a key-encryption key (clinchat.lib.keys). Both are bound to where the
value belongs by `aad`: copied into another row it does not open. A new key-encryption key only wraps the data keys
anew; the value stays as it is.

Format: version byte 2, length of the key id (1 byte), key id, length of the wrapped data key (2 bytes, big-endian),
wrapped data key, 12-byte nonce, ciphertext with its 16-byte tag.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from clinchat.lib.keys import KeysUnavailable, Unsealable, holder, keys

__all__ = ["KeysUnavailable", "Unsealable", "blind_index", "head", "rewrap", "seal", "unseal"]

VERSION = b"\x02"
KEY_BYTES = 32
NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class _Parts:
    key_id: str
    wrapped: bytes
    value: bytes
    """Nonce and ciphertext."""

    def joined(self) -> bytes:
        return head(self.key_id) + len(self.wrapped).to_bytes(2, "big") + self.wrapped + self.value


def seal(value: bytes, *, aad: bytes) -> bytes:
    """Encrypt `value` so that it opens only together with the same `aad`. Raises KeysUnavailable."""
    data_key, nonce = os.urandom(KEY_BYTES), os.urandom(NONCE_BYTES)
    key_id, wrapped = keys().wrap(data_key, aad=aad)
    return _Parts(key_id, wrapped, nonce + AESGCM(data_key).encrypt(nonce, value, aad)).joined()


def unseal(blob: bytes, *, aad: bytes) -> bytes:
    """The value sealed in `blob`. Raises Unsealable when key, place or bytes differ, and KeysUnavailable."""
    parts = _parts(blob)
    data_key = holder(parts.key_id).unwrap(parts.key_id, parts.wrapped, aad=aad)
    try:
        return AESGCM(data_key).decrypt(parts.value[:NONCE_BYTES], parts.value[NONCE_BYTES:], aad)
    except (InvalidTag, ValueError):
        raise Unsealable from None


def rewrap(blob: bytes, *, aad: bytes) -> bytes:
    """`blob` with its data key wrapped by the current key-encryption key. Raises as `unseal` does."""
    parts = _parts(blob)
    data_key = holder(parts.key_id).unwrap(parts.key_id, parts.wrapped, aad=aad)
    key_id, wrapped = keys().wrap(data_key, aad=aad)
    return _Parts(key_id, wrapped, parts.value).joined()


def head(key_id: str) -> bytes:
    """What each value begins with whose data key is wrapped by this key."""
    name = key_id.encode()
    return VERSION + bytes([len(name)]) + name


def _parts(blob: bytes) -> _Parts:
    try:
        if blob[:1] != VERSION:
            raise Unsealable
        at = 2 + blob[1]
        end = at + 2 + int.from_bytes(blob[at : at + 2], "big")
        return _Parts(blob[2:at].decode(), blob[at + 2 : end], blob[end:])
    except (IndexError, UnicodeDecodeError):
        raise Unsealable from None


def blind_index(value: str, *, context: str) -> bytes:
    """A keyed digest for equality lookup; `context` keeps equal values of two places apart."""
    message = context.encode() + b"\x00" + value.encode()
    return hmac.new(settings.INDEX_KEY, message, hashlib.sha256).digest()
