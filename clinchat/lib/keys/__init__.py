"""Key-encryption keys: each wraps the data keys of sealed values and never leaves where it is kept.

A key's id begins with where it is kept ("vault:", "kms:"; none for the file), so that values which were wrapped
elsewhere stay open while `manage.py rotate_keys` moves them to CLINCHAT_KEYS.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import cache
from typing import Protocol


class Unsealable(Exception):
    """The value was sealed with another key, for another place, or was altered."""


class KeysUnavailable(Exception):
    """The place the keys are kept in does not answer, or refuses. Nothing can be sealed or opened meanwhile."""


class KeptElsewhere(Exception):
    """This process cannot add or remove the key; `line` says who can, and how."""

    def __init__(self, line: str) -> None:
        super().__init__(line)
        self.line = line


class KeyEncryptionKeys(Protocol):
    """Where key-encryption keys are kept: a file, Vault, or AWS KMS. Each has an id of at most 200 characters.

    Every method raises KeysUnavailable.
    """

    def current(self) -> str:
        """The id of the key that wraps now."""

    def made_at(self) -> datetime | None:
        """When the key that wraps now was made; None where that cannot be told."""

    def powers(self) -> list[str] | None:
        """What this process may do with the keys beside wrapping and unwrapping; None where that cannot be told."""

    def wrap(self, data_key: bytes, *, aad: bytes) -> tuple[str, bytes]:
        """The id of the current key, and `data_key` encrypted with it for `aad`."""

    def unwrap(self, key_id: str, wrapped: bytes, *, aad: bytes) -> bytes:
        """The data key. Raises Unsealable when it was wrapped for another `aad`, or `key_id` is not known here."""

    def renew(self) -> str:
        """Make a new key the current one and return its id; earlier ones still unwrap. Raises KeptElsewhere."""

    def retire(self, used: Collection[str]) -> list[str]:
        """Remove for good the keys that are neither current nor in `used`; their ids. Raises KeptElsewhere."""


def keys() -> KeyEncryptionKeys:
    """The keys this installation is configured for (CLINCHAT_KEYS: file, vault or kms)."""
    from django.conf import settings

    return _made(settings.CLINCHAT_KEYS)


def holder(key_id: str) -> KeyEncryptionKeys:
    """Where the key with this id is kept. Raises Unsealable when no such place is known."""
    from django.conf import settings

    kind = key_id.partition(":")[0] if ":" in key_id else "file"
    if kind not in settings.KEY_ENCRYPTION_KEYS:
        raise Unsealable
    return _made(kind)


@cache
def _made(kind: str) -> KeyEncryptionKeys:
    from django.conf import settings
    from django.utils.module_loading import import_string

    made: KeyEncryptionKeys = import_string(settings.KEY_ENCRYPTION_KEYS[kind])()
    return made
