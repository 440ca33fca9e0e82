"""A sealed trail to tamper with, and what a database superuser can do to it.

Its transactions, horizons, seals and checkpoints are real. Only its times are given: it spans four months, which no
test can wait for.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import connection, transaction
from psycopg.types.json import Jsonb

from clinchat.lib import clock
from compliance.audit import gaps, seal, signing
from compliance.models import Code, Crude, Outcome, Seal

TABLES = ("compliance_auditevent", "compliance_seal", "compliance_sealedevent")
PEOPLE = {uuid4(): name for name in ("Alice Adeyemi", "Bob O'Brandt", "Nadia Nováková", "100 % Dora", "", "Pat \\ P")}
CANONICAL = "convert_to((to_jsonb(e) - '{canonical,digest}'::text[])::text, 'UTF8')"
DIGEST = "sha256('\\x00'::bytea || canonical)"

Rows = list[tuple[Any, ...]]


def sql(statement: str, *parameters: Any) -> Rows:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def triggers_off() -> Iterator[None]:
    """What whoever rules the database can do, and undo without a trace."""
    for table in TABLES:
        sql(f"ALTER TABLE {table} DISABLE TRIGGER clinchat_no_change")
    sql("ALTER TABLE compliance_auditevent DISABLE TRIGGER clinchat_digest")
    try:
        yield
    finally:
        if not connection.needs_rollback:
            for table in TABLES:
                sql(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER clinchat_no_change")
            sql("ALTER TABLE compliance_auditevent ENABLE ALWAYS TRIGGER clinchat_digest")


def rehash(*events: UUID) -> None:
    """Give events the canonical form and the digest their columns would have had."""
    sql("SET LOCAL timezone = 'UTC'")
    sql(f"UPDATE compliance_auditevent AS e SET canonical = {CANONICAL} WHERE id = ANY(%s)", list(events))
    sql(f"UPDATE compliance_auditevent SET digest = {DIGEST} WHERE id = ANY(%s)", list(events))


def insert(rng: random.Random, at: datetime, *, xid: int | None = None) -> UUID:
    """An event of any kind, at any time and of any transaction, that looks as if the trigger had made it."""
    sql("SELECT compliance_audit_add_month(%s::date)", at)
    event, person = uuid4(), rng.choice([None, *PEOPLE])
    changes = {"status": ["queued", "answered"], "text": [None, f"hmac:{rng.getrandbits(64):016x}"]}
    columns: dict[str, Any] = {
        "id": event,
        "timestamp": at,
        "lane": rng.choice(["data", "access"]),
        "code": rng.choice(Code.values),
        "action": rng.choice(Crude.values),
        "outcome": rng.choice(Outcome.values),
        "actor_id": person,
        "actor_name": PEOPLE.get(person, "compliance.tasks.x") if person else "compliance.tasks.x",
        "actor_roles": Jsonb(["clinician"] if person else []),
        "actor_kind": "person" if person else rng.choice(["service", "schedule", "command", "unknown-db"]),
        "session": rng.choice(["", f"{rng.getrandbits(64):016x}"]),
        "remote_addr": rng.choice([None, "192.0.2.7", "2001:db8::7"]),
        "proxies": Jsonb(rng.choice([[], ["10.0.0.1"]])),
        "object_type": rng.choice(["", "chat.Turn", "compliance.User"]),
        "object_id": rng.choice(["", str(uuid4())]),
        "patient": rng.choice(["", f"P-{rng.getrandbits(64):016x}"]),
        "correlation_id": rng.choice([None, uuid4()]),
        "app_version": "0.2.0",
        "detail": Jsonb(rng.choice([{}, {"passages": rng.randrange(3), "score": 0.1, "whole": True}])),
        "changes": Jsonb(changes) if rng.random() < 0.5 else None,
        "xid": str(xid) if xid is not None else None,
        "canonical": b"",
        "digest": b"",
    }
    values = ", ".join("coalesce(%s::xid8, pg_current_xact_id())" if name == "xid" else "%s" for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    sql(f"INSERT INTO compliance_auditevent ({names}) VALUES ({values})", *columns.values())
    rehash(event)
    return event


def seal_at(moment: datetime) -> None:
    """Run the sealer with its clock set, and without its question whether the database was set back."""
    real: Any = seal._write

    def write(*given: Any) -> None:
        real(*given[:-1], moment)

    with mock.patch.object(seal, "_write", write), mock.patch.object(gaps, "set_back", return_value=False):
        seal.seal_all()


def checkpoint_file() -> Path:
    return Path(settings.AUDIT_CHECKPOINT_FILES[0])


def build(rng: random.Random) -> None:
    """400 events in 40 seals: ten in each of the three months before this one, ten within the last hour."""
    now = clock.now()
    moments = [now - timedelta(days=30 * month + 2 * n) for month in (4, 3, 2) for n in range(10, 0, -1)]
    moments += [now - timedelta(minutes=5 * n) for n in range(11, 1, -1)]
    for moment in moments:
        with transaction.atomic():
            for _ in range(rng.randrange(6, 15)):
                insert(rng, moment - timedelta(seconds=rng.uniform(0.1, 4)))
        seal_at(moment)


def clear() -> None:
    """Take away the months that `build` added, and empty the trail."""
    for (partition,) in sql(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'compliance_auditevent'::regclass "
        "AND right(inhrelid::regclass::text, 6) < to_char(now(), 'YYYYMM')"
    ):
        sql(f"DROP TABLE {partition}")
    sql(f"TRUNCATE {', '.join(TABLES)}")


def resign(first: int, key: Ed25519PrivateKey | None = None) -> None:
    """Make the statements from a seal on fit the columns and one another again; sign them, if there is a key."""
    before = Seal.objects.filter(number=first - 1).first()
    previous = hashlib.sha256(bytes(before.statement)).digest() if before else bytes(32)
    for found in Seal.objects.filter(number__gte=first).order_by("number"):
        statement = json.loads(bytes(found.statement)) | {
            "number": found.number,
            "first": found.first,
            "size": found.size,
            "root": bytes(found.root).hex(),
            "previous": previous.hex(),
            "sealed_at": found.sealed_at.isoformat(timespec="microseconds"),
        }
        text = json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()
        given: dict[str, Any] = {"previous": previous, "statement": text}
        if key is not None:
            given |= {"signature": key.sign(text), "key_id": signing.key_id(key.public_key().public_bytes_raw())}
        Seal.objects.filter(pk=found.pk).update(**given)
        previous = hashlib.sha256(text).digest()
