"""Compliance check of crypto-erase, with a canary: a made-up conversation whose data key is destroyed."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Final

from django.db import connection
from django.db.models import Max
from psycopg import sql

from clinchat.lib import clock, sealed
from clinchat.lib.keys import Unsealable
from compliance import data_keys, vault
from compliance.continuity.backup import key_copies
from compliance.continuity.refusals import Absent, ContinuityError, NoKey, Refused
from compliance.continuity.storage.stores import stores
from compliance.controls.registry import CannotLook, Found, check
from compliance.models import DataKey, Drill, VaultEntry
from compliance.phi import Entity, Label

TOKEN: Final = "[NAME-1]"  # noqa: S105  # stands for a name
REWRITE_TIME: Final = timedelta(minutes=10)
"""After a key is destroyed, the copy of the keys beside the backups may be outdated for this long."""


@check("crypto.erase_canary", seconds=40)
def erase_canary() -> Found:
    """After the canary's data key is destroyed and its encrypted value put back, as from an old copy of the database:
    neither the page nor any remaining key decrypts it, and no row that was written contains the key, wrapped or bare.

    Besides, the last backup that a drill restored contains no data key, and the copy of the keys beside the backups no
    destroyed one. Each conversation has its own key, so there are no tenants to check; values are in no file or vector.
    """
    drill = _newest_drill()
    try:
        failing = list(_key_copy_findings())
    except ContinuityError as error:
        raise CannotLook(error.words) from None
    failing += [f"the backup restored {drill.started_at:%Y-%m-%d}: data keys"] if not _has_no_data_keys(drill) else []
    rows, readable = _canary()
    failing += readable
    return Found(
        ok=not failing,
        observed=f"{len(failing)} ways to read what was erased; {rows} rows, the backup of "
        f"{drill.started_at:%Y-%m-%d} and the copies of the keys looked at",
        subjects=rows + 2,
        failing=failing,
        evidence={"rows": rows, "drill": str(drill.pk), "destroyed": DataKey.objects.filter(key=None).count()},
    )


def _canary() -> tuple[int, list[str]]:
    """Number of rows searched, and the ways in which the canary can still be read. The caller rolls it back."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::xid::text")
        (began,) = cursor.fetchone()
    scope, value = uuid.uuid4(), f"Canary {uuid.uuid4()}"
    vault.store(scope, [Entity(TOKEN, Label.NAME, value)])
    key = DataKey.objects.get(scope=scope)
    bare, wrapped, copy = key.key, _blob("compliance_datakey", scope), _blob("compliance_vaultentry", scope)
    vault.erase([scope])
    VaultEntry.objects.filter(scope=scope).update(value=copy)
    failing = ["the page"] if any(entity.value for entity in vault.known(scope)) else []
    place = VaultEntry._meta.get_field("value").place(VaultEntry.objects.get(scope=scope))  # noqa: SLF001  # documented by Django
    inner = sealed.unseal(copy, aad=place)
    failing += ["the seal alone"] if value.encode() in inner else []
    failing += [f"key {one.pk}" for one in DataKey.objects.exclude(key=None).iterator() if _opens(one, inner, place)]
    traces = [bare.encode(), base64.b64decode(bare).hex().encode(), wrapped.hex().encode(), value.encode()]
    rows, found = _search_written_rows(began, traces)
    failing += [f"table {table}" for table in sorted(found)]
    failing += ["what is copied beside the backups"] if _contains(data_keys.export(), str(key.pk)) else []
    return rows, failing


def _opens(key: DataKey, inner: bytes, place: bytes) -> bool:
    with suppress(Unsealable):
        return bool(data_keys.read_with(key, inner, aad=place))
    return False


def _blob(table: str, scope: uuid.UUID) -> bytes:
    with connection.cursor() as cursor:
        statement = sql.SQL("SELECT sealed FROM {} WHERE scope = %s").format(sql.Identifier(table))
        cursor.execute(statement, [scope])
        return bytes(cursor.fetchone()[0])


def _search_written_rows(began: str, traces: list[bytes]) -> tuple[int, set[str]]:
    """Number of rows that this transaction wrote, and the tables where one of them contains a trace."""
    rows, found = 0, set()
    with connection.cursor() as cursor:
        cursor.execute("SELECT schemaname, relname FROM pg_stat_xact_user_tables WHERE n_tup_ins + n_tup_upd > 0")
        for schema, table in cursor.fetchall():
            statement = sql.SQL("SELECT t::text FROM {} t WHERE age(t.xmin) <= age(%s::xid)")
            cursor.execute(statement.format(sql.Identifier(schema, table)), [began])
            for (row,) in cursor.fetchall():
                rows += 1
                if any(trace in row.encode() for trace in traces):
                    found.add(table)
    return rows, found


def _newest_drill() -> Drill:
    drill = Drill.objects.exclude(state=Drill.State.ERROR).first()
    if drill is None:
        raise CannotLook("no backup was restored by a drill yet, so none was looked into.")
    return drill


def _has_no_data_keys(drill: Drill) -> bool:
    return any(one["key"] == "data_keys" and one["ok"] is True for one in drill.assertions)


def _key_copy_findings() -> Iterator[str]:
    """Findings about the copies of the keys in the stores: older than the newest destruction, or, where this process
    has the backup key to read them, containing a destroyed key."""
    gone = {str(pk) for pk in DataKey.objects.filter(key=None).values_list("pk", flat=True)}
    settled = DataKey.objects.filter(destroyed_at__lt=clock.now() - REWRITE_TIME)
    last = settled.aggregate(last=Max("destroyed_at"))["last"]
    for store in stores():
        written = key_copies.written_at(store)
        if written is None:
            continue
        if last and written < last:
            yield f"{store.name}: the copy of the keys is older than the newest erasure"
        with suppress(NoKey, Absent):
            try:
                if _contains(key_copies.read(store), *gone):
                    yield f"{store.name}: a destroyed key"
            except Refused:
                yield f"{store.name}: a copy of the keys that is not ours"


def _contains(export: bytes, *ids: str) -> bool:
    """Whether the export contains one of these keys, rather than only a record of its destruction."""
    return any(one["sealed"] for one in json.loads(export)["keys"] if one["id"] in ids)
