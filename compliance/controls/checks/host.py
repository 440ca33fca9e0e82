"""Checks of the machine: what runs on it is what was released, set as it was approved, and sound."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final

from django.conf import settings
from django.core import checks
from django.db import Error, connection, transaction
from psycopg import sql

from compliance.controls import baseline, discovery
from compliance.controls.registry import CannotLook, Found, check
from compliance.models import Asset

MOST_PAGES: Final = 20_000
"""Pages of a table or index that amcheck reads in one run: 160 MB, about a second. Larger ones are named."""
_CORRUPT: Final = frozenset({"XX001", "XX002"})


# ── Settings ────────────────────────────────────────────────────────────────────────────────────────────────────


@check("config.deploy_check", seconds=30)
def deploy_check() -> Found:
    """Django's own checks for deployment and ours, in this process; the settings against those of the release; ports.

    The approved baseline is compliance/controls/baseline.json, a file of the release that is reviewed as code is.
    A port may listen when it is the portal's own or declared as an asset.
    """
    try:
        differing = baseline.differing()
        wanted, there = baseline.approved()[baseline.mode()], baseline.present()
    except (OSError, ValueError, KeyError):
        raise CannotLook("the approved baseline of this release cannot be read.") from None
    said = checks.run_checks(include_deployment_checks=True)
    failing = sorted({f"check {one.id or 'without a name'}" for one in said if one.level >= checks.WARNING})
    failing += ["DEBUG"] if settings.DEBUG else []
    failing += [f"setting {name}" for name in differing]
    ports = undeclared_ports()
    failing += [f"port {address}" for address in ports]
    return Found(
        ok=not failing,
        observed=f"{sum(one.level >= checks.WARNING for one in said)} warnings, {len(differing)} of {len(wanted)} "
        f"settings otherwise than approved, {len(ports)} undeclared ports",
        subjects=len(wanted) + len(failing) + 1,
        failing=failing,
        evidence={
            "mode": baseline.mode(),
            "approved_sha256": baseline.digest(wanted),
            "settings_sha256": baseline.digest(there),
        },
    )


def undeclared_ports() -> list[str]:
    """Where a process of ours listens, and nobody said it would."""
    declared = set(Asset.objects.in_use().filter(kind=Asset.Kind.LISTENER).values_list("address", flat=True))
    listening = {one.address for one in discovery.discover() if one.kind == Asset.Kind.LISTENER}
    return sorted(address for address in listening - declared if address.rpartition(":")[2] != str(settings.PORT))


# ── Packages ────────────────────────────────────────────────────────────────────────────────────────────────────


@check("supply.sbom_and_hashes")
def sbom_and_hashes() -> Found:
    """The packages that are installed where this process runs, against the lock with hashes they came from."""
    from compliance.scanning import packages

    try:
        lock = packages.lock_in_use(settings.BASE_DIR)
        wanted = packages.locked(lock.path)
        found = packages.differences(lock.path)
    except packages.LockUnusable:
        raise CannotLook("there is no lock with hashes for what is installed here.") from None
    failing = [f"{one.kind} {one.package} {one.installed}".strip() for one in found]
    return Found(
        ok=not failing,
        observed=f"{len(failing)} differences between {len(packages.installed())} installed packages and "
        f"{len(wanted)} locked ones ({lock.path.name})",
        subjects=len(wanted) + len(failing),
        failing=failing,
        evidence={
            "lock": lock.path.name,
            "lock_sha256": hashlib.sha256(lock.path.read_bytes()).hexdigest(),
            "packages": len(wanted),
        },
    )


# ── Inventory ───────────────────────────────────────────────────────────────────────────────────────────────────

_EVERYWHERE: Final = frozenset({Asset.Kind.DATABASE, Asset.Kind.QUEUE, Asset.Kind.MODEL, Asset.Kind.HOST})


@check("assets.discovered_equals_declared")
def discovered_equals_declared() -> Found:
    """What is found running against the inventory, both ways.

    Every process has the same settings, so a database, queue, model or host that is declared and not found is wrong
    anywhere. A port or folder of another container is not seen from this one: there only what is found is judged.
    """
    found = {(str(one.kind), one.address) for one in discovery.discover()}
    declared = set(Asset.objects.in_use().exclude(kind=Asset.Kind.OTHER).values_list("kind", "address"))
    undeclared = sorted(found - declared)
    gone = sorted(
        (kind, address) for kind, address in declared - found if settings.EMBEDDED or Asset.Kind(kind) in _EVERYWHERE
    )
    failing = [f"{kind} {address} is not declared"[:150] for kind, address in undeclared]
    failing += [f"{kind} {address} is declared and not found"[:150] for kind, address in gone]
    return Found(
        ok=not failing,
        observed=f"{len(found)} found, {len(declared)} declared: {len(undeclared)} not declared, {len(gone)} not found",
        subjects=len(found | declared),
        failing=failing,
        evidence={"found": [f"{kind} {address}"[:150] for kind, address in sorted(found)][:60]},
    )


# ── Database pages ──────────────────────────────────────────────────────────────────────────────────────────────

_RELATIONS: Final = """
SELECT class.oid, relname, relkind::text, relpages FROM pg_class AS class
LEFT JOIN pg_am AS method ON method.oid = relam
WHERE relnamespace = 'public'::regnamespace AND relpersistence = 'p'
  AND (relkind = 'r' OR (relkind = 'i' AND amname = 'btree')) ORDER BY relpages, relname
"""
_KEYS: Final = """
SELECT conname, conrelid::regclass::text, confrelid::regclass::text,
       array(SELECT attname FROM unnest(conkey) WITH ORDINALITY AS k(num, at)
             JOIN pg_attribute ON attrelid = conrelid AND attnum = k.num ORDER BY at),
       array(SELECT attname FROM unnest(confkey) WITH ORDINALITY AS k(num, at)
             JOIN pg_attribute ON attrelid = confrelid AND attnum = k.num ORDER BY at)
FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND conparentid = 0 ORDER BY conname
"""


@check("integrity.pg_checksums", seconds=55)
def pg_checksums() -> Found:
    """Checksums of pages, and whether one ever failed; tables and B-trees, by amcheck; rows without their parent.

    amcheck is made for the check, where this account may make it, and vanishes with it. The embedded server does not
    have it: there each row is read, and the index of each primary key is walked against them. Structures larger than a
    second's reading are left to the checksums, and named.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('data_checksums'), sum(checksum_failures) FROM pg_stat_database")
        checksums, failures = cursor.fetchone()
        amcheck = _amcheck(cursor)
        cursor.execute(_RELATIONS)
        relations = cursor.fetchall()
        cursor.execute(_KEYS)
        keys = cursor.fetchall()
    failing = [] if checksums == "on" else ["data_checksums"]
    failing += ["pages with a wrong checksum"] if failures else []
    small = [one for one in relations if one[3] <= MOST_PAGES]
    failing += list(_broken(small) if amcheck else _misread(small))
    orphans = list(_orphans(keys))
    failing += [f"orphans of {name}" for name in orphans]
    return Found(
        ok=not failing,
        observed=f"checksums {checksums}, {failures or 0} failures; {len(small)} of {len(relations)} tables and "
        f"indexes read, {len(failing)} things wrong; {len(orphans)} of {len(keys)} references have orphans",
        subjects=len(relations) + len(keys) + len(failing),
        failing=failing,
        evidence={
            "checksum_failures": int(failures or 0),
            "amcheck": amcheck,
            "read": len(small),
            "not_read": [name for _, name, _, pages in relations if pages > MOST_PAGES][:40],
            "references": len(keys),
        },
    )


def _amcheck(cursor: Any) -> bool:
    """Whether amcheck is there now. Raises CannotLook where it should be."""
    try:
        with transaction.atomic():
            cursor.execute("CREATE EXTENSION IF NOT EXISTS amcheck")
            return True
    except Error:
        if settings.EMBEDDED:
            return False
        raise CannotLook("the extension amcheck is not there, and this account may not add it.") from None


def _broken(relations: list[tuple[int, str, str, int]]) -> Iterator[str]:
    """Tables and indexes whose structure does not hold."""
    for oid, name, kind, _ in relations:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                if kind == "i":
                    cursor.execute("SELECT bt_index_check(%s::regclass)", [oid])
                else:
                    cursor.execute("SELECT count(*) FROM verify_heapam(%s::regclass)", [oid])
                    if cursor.fetchone()[0]:
                        yield f"table {name}"
        except Error as error:
            if getattr(error.__cause__, "sqlstate", "") not in _CORRUPT:
                raise
            yield f"{'index' if kind == 'i' else 'table'} {name}"


_PRIMARY: Final = """
SELECT relname, array(SELECT attname FROM unnest(indkey::int2[]) WITH ORDINALITY AS k(num, at)
    JOIN pg_attribute ON attrelid = indrelid AND attnum = k.num ORDER BY at)
FROM pg_index JOIN pg_class ON pg_class.oid = indrelid WHERE indisprimary AND indrelid = ANY(%s) ORDER BY relname
"""
_WALKED: Final = """
SELECT count(*), coalesce(bool_and(before IS NULL OR before < this), true)
FROM (SELECT this, lag(this) OVER () AS before
      FROM (SELECT ROW({key}) AS this FROM {table} ORDER BY {key}) AS k) AS pair
"""


def _misread(relations: list[tuple[int, str, str, int]]) -> Iterator[str]:
    """Tables of which a row cannot be read, or whose primary key does not lead to every row, in order."""
    with connection.cursor() as cursor:
        cursor.execute(_PRIMARY, [[oid for oid, _, kind, _ in relations if kind == "r"]])
        for name, columns in cursor.fetchall():
            key, table = sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(name)
            try:
                with transaction.atomic():
                    _plan(cursor, seqscan="on", indexscan="off")
                    cursor.execute(sql.SQL("SELECT count(t::text) FROM {} AS t").format(table))
                    (there,) = cursor.fetchone()
                    _plan(cursor, seqscan="off", indexscan="on")
                    cursor.execute(sql.SQL(_WALKED).format(key=key, table=table))
                    if cursor.fetchone() != (there, True):
                        yield f"index of {name}"
            except Error as error:
                if getattr(error.__cause__, "sqlstate", "") not in _CORRUPT:
                    raise
                yield f"table {name}"
        cursor.execute("SET LOCAL enable_seqscan = on; SET LOCAL enable_sort = on; SET LOCAL enable_bitmapscan = on")


def _plan(cursor: Any, *, seqscan: str, indexscan: str) -> None:
    """Which way the next statement reads a table."""
    for name, value in (("seqscan", seqscan), ("sort", seqscan), ("indexscan", indexscan), ("bitmapscan", "off")):
        cursor.execute("SELECT set_config(%s, %s, true)", [f"enable_{name}", value])


def _orphans(keys: list[tuple[str, str, str, list[str], list[str]]]) -> Iterator[str]:
    """References whose rows name a row that is not there."""
    for name, child, parent, columns, named in keys:
        joined = sql.SQL(" AND ").join(
            sql.SQL("p.{} = c.{}").format(sql.Identifier(one), sql.Identifier(other))
            for one, other in zip(named, columns, strict=True)
        )
        there = sql.SQL(" AND ").join(sql.SQL("c.{} IS NOT NULL").format(sql.Identifier(one)) for one in columns)
        query = sql.SQL("SELECT EXISTS (SELECT FROM {} c WHERE {} AND NOT EXISTS (SELECT FROM {} p WHERE {}))").format(
            sql.Identifier(child.strip('"')), there, sql.Identifier(parent.strip('"')), joined
        )
        with connection.cursor() as cursor:
            cursor.execute(query)
            if cursor.fetchone()[0]:
                yield name
