"""Authenticated encryption of single values (AES-256-GCM, NIST SP 800-38D).

A sealed value is bound to where it belongs by `aad`: copied into another row or another conversation it does not
open. Format: version byte 1, 12-byte random nonce, ciphertext with its 16-byte tag.
"""

from __future__ import annotations

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

VERSION = b"\x01"
NONCE_BYTES = 12


class Unsealable(Exception):
    """The value was sealed with another key, for another place, or was altered."""


def _subkey(purpose: bytes) -> bytes:
    """One key per purpose, so that a digest never shares a key with a cipher."""
    return hmac.new(settings.SEALING_KEY, purpose, hashlib.sha256).digest()


def seal(value: bytes, *, aad: bytes) -> bytes:
    """Encrypt `value` so that it opens only together with the same `aad`."""
    nonce = os.urandom(NONCE_BYTES)
    return VERSION + nonce + AESGCM(_subkey(b"seal")).encrypt(nonce, value, aad)


def unseal(blob: bytes, *, aad: bytes) -> bytes:
    """The value sealed in `blob`. Raises Unsealable when key, place or bytes differ."""
    nonce, ciphertext = blob[1 : 1 + NONCE_BYTES], blob[1 + NONCE_BYTES :]
    if blob[:1] != VERSION or len(nonce) != NONCE_BYTES:
        raise Unsealable
    try:
        return AESGCM(_subkey(b"seal")).decrypt(nonce, ciphertext, aad)
    except InvalidTag:
        raise Unsealable from None


def blind_index(value: str, *, context: str) -> bytes:
    """A keyed digest for equality lookup; `context` keeps equal values of two places apart."""
    message = context.encode() + b"\x00" + value.encode()
    return hmac.new(_subkey(b"index"), message, hashlib.sha256).digest()
