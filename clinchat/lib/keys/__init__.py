"""Key-encryption keys: each wraps the data keys of sealed values and never leaves where it is kept."""

from __future__ import annotations

from functools import cache
from typing import Protocol


class Unsealable(Exception):
    """The value was sealed with another key, for another place, or was altered."""


class KeysUnavailable(Exception):
    """The place the keys are kept in does not answer, or refuses. Nothing can be sealed or opened meanwhile."""


class KeyEncryptionKeys(Protocol):
    """Where key-encryption keys are kept: a file, Vault, or AWS KMS. Each has an id of at most 200 characters."""

    def current(self) -> str:
        """The id of the key that wraps now."""

    def wrap(self, data_key: bytes, *, aad: bytes) -> tuple[str, bytes]:
        """The id of the current key, and `data_key` encrypted with it for `aad`."""

    def unwrap(self, key_id: str, wrapped: bytes, *, aad: bytes) -> bytes:
        """The data key. Raises Unsealable when it was wrapped for another `aad`, or `key_id` is not known here."""


@cache
def keys() -> KeyEncryptionKeys:
    """The keys this installation is configured for (CLINCHAT_KEYS: file, vault or kms)."""
    from django.conf import settings
    from django.utils.module_loading import import_string

    made: KeyEncryptionKeys = import_string(settings.KEY_ENCRYPTION_KEYS[settings.CLINCHAT_KEYS])()
    return made
