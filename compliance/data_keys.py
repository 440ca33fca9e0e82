"""The data keys of conversations: what their tokens stand for is sealed with one, beneath the seal of its row.

Once a key is destroyed, the values are noise wherever there is a copy of them. The keys are wrapped as every sealed
value is, and `rotate_keys` wraps them anew.

What is sealed with one: byte 255, which no text begins with; the id of the key; a 12-byte nonce; the ciphertext with
its tag. Both layers are bound to the row.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db import connection, transaction

from clinchat.lib import clock, sealed
from clinchat.lib.keys import Unsealable
from compliance.models import DataKey

MARK: Final = b"\xff"
FORM: Final = 1
_ID: Final = slice(1, 17)
_NONCE: Final = slice(17, 29)
_hand: ContextVar[dict[UUID, DataKey] | None] = ContextVar("data keys at hand", default=None)
"""Keys by their scope and by their id."""
_TAKE: Final = """
INSERT INTO compliance_datakey (id, scope, sealed, created_at, destroyed_at) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (id) DO UPDATE SET sealed = NULL, destroyed_at = EXCLUDED.destroyed_at
WHERE EXCLUDED.destroyed_at IS NOT NULL AND compliance_datakey.destroyed_at IS NULL
"""


def new() -> str:
    return base64.b64encode(os.urandom(sealed.KEY_BYTES)).decode()


@contextmanager
def at_hand() -> Iterator[None]:
    """Inside, each key is fetched and unwrapped once. Not longer than one step: a destroyed key must not be kept."""
    token = _hand.set({})
    try:
        yield
    finally:
        _hand.reset(token)


def of(scope: UUID) -> DataKey:
    """The key that new values of a conversation are sealed with, made with the first of them.

    In a transaction it is locked until that ends: nobody destroys it before the values are there to be blanked.
    """
    hand = _hand.get()
    if hand is not None and scope in hand:
        return hand[scope]
    live = DataKey.objects.filter(scope=scope, destroyed_at=None)
    with transaction.atomic():
        found = live.select_for_update(no_key=True).first()
        if found is None:  # of two that make one at once, the second waits here and takes the first one's
            DataKey.objects.bulk_create([DataKey(scope=scope, key=new())], ignore_conflicts=True)
            found = live.select_for_update(no_key=True).get()
    if hand is not None:
        hand[scope] = hand[found.pk] = found
    return found


def shut(scope: UUID, text: str, *, aad: bytes) -> bytes:
    """A text, sealed with the key of its conversation and bound to its row."""
    return shut_with(of(scope), text.encode(), aad=aad)


def shut_with(key: DataKey, value: bytes, *, aad: bytes) -> bytes:
    nonce = os.urandom(sealed.NONCE_BYTES)
    return MARK + key.pk.bytes + nonce + _cipher(key).encrypt(nonce, value, aad)


def read(data: bytes, *, aad: bytes) -> str:
    """The text; empty when its key is destroyed. Raises Unsealable when key, row or bytes differ.

    What carries no mark was sealed for its row alone, as before 0.9.
    """
    if not data.startswith(MARK):
        return data.decode()
    return read_with(_named(data[_ID]), data, aad=aad)


def read_with(key: DataKey, data: bytes, *, aad: bytes) -> str:
    """As `read`, of what this key is said to have sealed."""
    if key.key is None:
        return ""
    try:
        return _cipher(key).decrypt(data[_NONCE], data[_NONCE.stop :], aad).decode()
    except (InvalidTag, ValueError):
        raise Unsealable from None


def destroy(scopes: Iterable[UUID]) -> int:
    """Destroy the keys of conversations for good, and have the copy beside the backups written anew; how many."""
    from compliance.tasks import write_data_keys

    with transaction.atomic():
        live = DataKey.objects.filter(scope__in=list(scopes), destroyed_at=None)
        count = live.update(key=None, destroyed_at=clock.now())
        if count:
            transaction.on_commit(write_data_keys.delay, robust=True)
    return count


def export(*, beside: bytes | None = None) -> bytes:
    """All keys as their rows hold them, wrapped; of destroyed ones that they were. For the object beside backups.

    With those of an earlier export that this database has never had. Raises ValueError where that is none.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, scope, sealed, created_at, destroyed_at FROM compliance_datakey ORDER BY id")
        keys = [
            {
                "id": str(pk),
                "scope": str(scope),
                "sealed": None if blob is None else base64.b64encode(blob).decode(),
                "created_at": made.isoformat(),
                "destroyed_at": gone and gone.isoformat(),
            }
            for pk, scope, blob, made, gone in cursor.fetchall()
        ]
    known = {one["id"] for one in keys}
    keys += [one for one in _exported(beside) if one["id"] not in known] if beside else []
    return json.dumps({"form": FORM, "keys": keys}, separators=(",", ":"), sort_keys=True).encode()


def load(data: bytes) -> int:
    """Take in what `export` gave, for a database that was lost; returns how many keys came.

    One that is there stays as it is, unless it was destroyed meanwhile: then it is destroyed here as well.
    Raises ValueError for anything else than an export.
    """
    rows = [_row(one) for one in _exported(data)]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(_TAKE, rows)
        return int(cursor.rowcount)


def _exported(data: bytes) -> list[dict[str, Any]]:
    """The keys of an export, each of them readable. Raises ValueError."""
    try:
        found = json.loads(data)
        keys: list[dict[str, Any]] = found["keys"]
        if found["form"] != FORM:
            raise ValueError
        for one in keys:
            _row(one)
    except (KeyError, TypeError, ValueError):
        raise ValueError("These are no data keys of ClinChat.") from None
    return keys


def _row(one: dict[str, Any]) -> tuple[Any, ...]:
    blob = one["sealed"]
    held = None if blob is None else base64.b64decode(blob, validate=True)
    return UUID(one["id"]), UUID(one["scope"]), held, one["created_at"], one["destroyed_at"]


def _named(key_id: bytes) -> DataKey:
    try:
        pk = UUID(bytes=key_id)
    except ValueError:
        raise Unsealable from None
    hand = _hand.get()
    if hand is not None and pk in hand:
        return hand[pk]
    key = DataKey.objects.filter(pk=pk).first()
    if key is None:
        raise Unsealable
    if hand is not None:
        hand[pk] = key
    return key


def _cipher(key: DataKey) -> AESGCM:
    return AESGCM(base64.b64decode(key.key))
