"""Checks of encryption: a sealed value opens in its place and nowhere else, and keys are kept as keys are."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from clinchat import env
from clinchat.lib import clock, sealed
from clinchat.lib.keys import KeysUnavailable, Unsealable, keys
from compliance import rotation
from compliance.audit import signing
from compliance.controls.registry import CannotLook, Found, check
from compliance.models import VaultEntry

OLDEST: Final = timedelta(days=365)
CANARY: Final = b"Canary of the check of sealed values"


@check("crypto.row_binding")
def row_binding() -> Found:
    """Every sealed column: a value for one row is tried in another row and in every other column; one is altered.

    Then the database: two rows of the vault change their values by SQL, one is altered, and both are read as anybody
    reads them. There are no tenants: an installation is one hospital's.
    """
    columns = rotation.columns()
    failing = [name for column in columns for name in _opens_elsewhere(column, columns)]
    stored = list(_opens_moved())
    tried = len(columns) * (len(columns) + 2)
    return Found(
        ok=bool(columns) and not failing and not stored,
        observed=f"{len(failing) + len(stored)} of {tried + 3} moved or altered values opened",
        subjects=tried + 3 if columns else 0,
        failing=[*stored, *failing],
        evidence={"columns": [column.name for column in columns], "tried": tried, "key": keys().current()},
    )


def _opens_elsewhere(column: rotation.Column, columns: list[rotation.Column]) -> Iterator[str]:
    own = _place(column, 1)
    blob = sealed.seal(CANARY, aad=own)
    if sealed.unseal(blob, aad=own) != CANARY or CANARY in blob:
        yield f"{column.name}: does not seal"
    others = [(f"{column.name}: another row", _place(column, 2))]
    others += [(f"{column.name}: {one.name}", _place(one, 1)) for one in columns if one.name != column.name]
    for name, place in others:
        with suppress(Unsealable):
            sealed.unseal(blob, aad=place)
            yield name
    with suppress(Unsealable):
        sealed.unseal(_altered(blob), aad=own)
        yield f"{column.name}: altered"


def _place(column: rotation.Column, number: int) -> bytes:
    """Where the value of some row of the column belongs."""
    row = column.model()
    for name in column.field.bound_to:
        setattr(row, "pk" if name == "pk" else name, uuid.UUID(int=number) if name != "token" else f"[NAME-{number}]")
    return column.field.place(row)


def _altered(blob: bytes) -> bytes:
    return blob[:-1] + bytes([blob[-1] ^ 1])


def _opens_moved() -> Iterator[str]:
    """Values of two canary rows that can be read where they do not belong."""
    one, other = (
        VaultEntry.objects.create(
            scope=uuid.uuid4(),
            token="[NAME-1]",  # noqa: S106
            label="NAME",
            value=CANARY.decode(),
            blind_index=b"0",
        )
        for _ in range(2)
    )
    before = _bytes_of(one)
    _put(one, _bytes_of(other))
    yield from _readable(one, "vault: value of another row")
    _put(one, _altered(before))
    yield from _readable(one, "vault: altered value")
    _put(one, CANARY)
    yield from _readable(one, "vault: bytes that were never sealed")


def _readable(row: VaultEntry, name: str) -> Iterator[str]:
    with suppress(Unsealable):
        VaultEntry.objects.get(pk=row.pk).value  # noqa: B018  # reading opens it
        yield name


def _bytes_of(row: VaultEntry) -> bytes:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sealed FROM compliance_vaultentry WHERE id = %s", [row.pk])
        return bytes(cursor.fetchone()[0])


def _put(row: VaultEntry, blob: bytes) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE compliance_vaultentry SET sealed = %s WHERE id = %s", [blob, row.pk])


# ── Keys ────────────────────────────────────────────────────────────────────────────────────────────────────────

_CLOSED: Final = stat.S_IRWXG | stat.S_IRWXO
"""No one but the owner, on one machine. In a container a group may read what the host mounts, as signing.TOO_OPEN."""


@check("crypto.key_hygiene", seconds=55)
def key_hygiene() -> Found:
    """Where the keys are, who may read their files, how old the newest is, and which keys the stored values name.

    A key that is not the current one counts as retired as soon as another wraps: `rotate_keys` moves every value. The
    index key cannot be changed and has no age; how old those of seals and certificates are is told, and not judged.
    """
    try:
        current, made_at = keys().current(), keys().made_at()
        used = rotation.used()
    except KeysUnavailable:
        raise CannotLook("the place the keys are kept in does not answer.") from None
    if made_at is None:
        raise CannotLook("the place the keys are kept in does not say how old they are.")
    age = clock.now() - made_at
    retired = {name: number for name, number in used.items() if name != current}
    secrets = _secrets()
    files = key_files()
    failing = [f"{number} values under key {name or 'none'}" for name, number in sorted(retired.items())]
    failing += [f"the newest key is {age.days} days old"] if age > OLDEST else []
    failing += [f"{path.name} is open to others" for path in files if _too_open(path)]
    failing += [f"{name} is made from SECRET_KEY" for name, value in secrets.items() if value in _from_secret_key()]
    failing += [f"{one} and {other} are one key" for one, other in _equal(secrets)]
    failing += [f"{name} is in the database" for name in _in_database(secrets)]
    return Found(
        ok=not failing,
        observed=f"{sum(used.values()) - sum(retired.values())} of {sum(used.values())} values under the current key, "
        f"{age.days} days old; {len(files)} key files; {len(failing)} things wrong",
        subjects=len(secrets) + len(files) + len(used) + 1 + len(failing),
        failing=failing,
        evidence={
            "kept": settings.CLINCHAT_KEYS,
            "current": current,
            "days": age.days,
            "values": dict(used),
            "files": [path.name for path in files],
            "signing_key_days": _days(settings.AUDIT_SIGNING_KEY_FILE),
        },
    )


def key_files() -> list[Path]:
    """The files of secrets this process was given, those that are there."""
    named: list[Any] = [settings.SEALING_KEY_PATH, settings.AUDIT_SIGNING_KEY_FILE, settings.VAULT_TOKEN_FILE]
    named.append(settings.BACKUP_KEY_PATH)
    own = settings.VAR / "keys" if settings.EMBEDDED else None
    for name, file in (
        ("SECRET_KEY", "secret_key"),
        ("INDEX_KEY", "index_key"),
        ("CERTIFICATE_KEY", "certificate_key"),
    ):
        named.append(env.secret_file(name, file=own / file if own else None))
    return sorted({Path(path) for path in named if path and Path(path).is_file()} | ({own} if own else set()))


def _too_open(path: Path) -> bool:
    return bool(path.stat().st_mode & (_CLOSED if settings.EMBEDDED else signing.TOO_OPEN))


def _days(path: str) -> int | None:
    with suppress(OSError):
        return int((clock.now().timestamp() - Path(path).stat().st_mtime) // 86_400) if path else None
    return None


def _secrets() -> dict[str, bytes]:
    """Every key this process has, by its name."""
    found: dict[str, bytes] = {"index key": settings.INDEX_KEY, "certificate key": settings.CERTIFICATE_KEY}
    if settings.CLINCHAT_KEYS == "file":
        with suppress(ImproperlyConfigured):
            found |= {f"sealing key {number}": key for number, key in enumerate(settings.SEALING_KEYS(), 1)}
    with suppress(ImproperlyConfigured):
        found |= {f"backup key {number}": key for number, key in enumerate(settings.BACKUP_KEYS(), 1)}
    with suppress(OSError, ValueError):
        if settings.AUDIT_SIGNING_KEY_FILE and os.access(settings.AUDIT_SIGNING_KEY_FILE, os.R_OK):
            found["signing key"] = base64.b64decode(Path(settings.AUDIT_SIGNING_KEY_FILE).read_text().strip())
    return found


def _from_secret_key() -> set[bytes]:
    """What is easily made from SECRET_KEY by who has that alone."""
    secret = settings.SECRET_KEY.encode()
    made = {secret, secret[:32], hashlib.sha256(secret).digest(), hashlib.sha512(secret).digest()[:32]}
    made |= {hashlib.blake2b(secret, digest_size=32).digest()}
    with suppress(ValueError):
        decoded = base64.b64decode(secret, validate=True)
        made |= {decoded, decoded[:32], decoded[-32:], hashlib.sha256(decoded).digest()}
    for word in (b"", b"index", b"seal", b"sealing", b"sealing key", b"certificate", b"audit", b"clinchat"):
        made |= {hmac.new(secret, word, hashlib.sha256).digest(), hashlib.sha256(secret + word).digest()}
        made |= {hashlib.sha256(word + secret).digest()}
    return made


def _equal(secrets: dict[str, bytes]) -> list[tuple[str, str]]:
    names = sorted(secrets)
    return [
        (one, other)
        for at, one in enumerate(names)
        for other in names[at + 1 :]
        if hmac.compare_digest(secrets[one], secrets[other])
    ]


def _in_database(secrets: dict[str, bytes]) -> list[str]:
    """Keys that stand in the one table that holds key bytes: that of the digests of the trail."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_table_privilege('compliance_auditkey', 'SELECT')")
        if not cursor.fetchone()[0]:
            return []
        cursor.execute("SELECT inner_pad, outer_pad FROM compliance_auditkey")
        pads = [bytes(byte ^ 0x36 for byte in bytes(inner)) for inner, _ in cursor.fetchall()]
    return [name for name, value in secrets.items() if any(value in pad for pad in pads)]
