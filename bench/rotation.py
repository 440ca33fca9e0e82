"""Sealed values: sealing and opening one, and wrapping 100,000 anew while people read and write.

Runs in a database and with a key file of its own, which are dropped afterwards.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import tempfile
import time
import uuid
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from django.db import connection, connections
from django.test import override_settings

from bench import scratch
from bench.data import keep, percentile, table
from clinchat.lib import sealed
from compliance import audit, rotation
from compliance.audit import triggers
from compliance.models import AuditEvent, VaultEntry

VALUES = 100_000
ONES = 20_000
READERS = 2
WRITERS = 1
_fork = multiprocessing.get_context("fork")


def run(collection: str) -> str | None:
    logging.disable(logging.WARNING)
    try:
        with scratch.database(), _own_key():
            kept = {"one": _ones(), "rotation": _rotation()}
    finally:
        logging.disable(logging.NOTSET)
    keep("rotation", kept)
    return None


@contextmanager
def _own_key() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sealing_key"
        path.write_text("q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=\n")
        ring = {"SEALING_KEY_PATH": path, "SEALING_KEYS": lambda: [*map(b64decode, path.read_text().split())]}
        with override_settings(CLINCHAT_KEYS="file", **ring):
            yield


def _ones() -> dict[str, float]:
    """One process, key in a file, a value of 40 bytes."""
    value, place = os.urandom(40), b"compliance_vaultentry.sealed:0:[NAME_1]"
    blob = sealed.seal(value, aad=place)
    steps: dict[str, Callable[[], bytes]] = {
        "seal": lambda: sealed.seal(value, aad=place),
        "open": lambda: sealed.unseal(blob, aad=place),
        "wrap anew": lambda: sealed.rewrap(blob, aad=place),
    }
    rates = {}
    for name, step in steps.items():
        started = time.perf_counter()
        for _ in range(ONES):
            step()
        rates[name] = ONES / (time.perf_counter() - started)
    table(["one value", "n", "per second"], [[name, ONES, f"{rate:.0f}"] for name, rate in rates.items()])
    return rates


def _rotation() -> dict[str, Any]:
    _fill()
    rows, kept = [], {}
    for name, busy in (("alone", False), ("with readers and a writer", True)):
        events = AuditEvent.objects.count()
        rotation.renew()
        with _others(busy) as (results, stop):
            report = rotation.rewrap()
            stop.set()
            reads, writes, failures = _collected(results, READERS + WRITERS if busy else 0)
        done = report.done.total()
        if not report.ok or rotation.count(report.key_id):
            raise SystemExit(f"{report.left} values are left, {sum(map(len, report.broken.values()))} are broken")
        if failures:
            raise SystemExit(f"{failures} reads or writes failed")
        spread = [f"{percentile(reads, p) * 1000:.2f}" if reads else "" for p in (0.5, 0.99)]
        rows.append(
            [name, done, f"{report.seconds:.1f}", f"{done / report.seconds:.0f}", len(reads), writes, failures, *spread]
        )
        kept[name] = {"values": done, "seconds": report.seconds, "reads": len(reads), "failed": failures}
        kept[name]["events"] = AuditEvent.objects.count() - events
    rows.append(["without the audit trail", *_without_trail(), "", "", "", "", ""])
    print()
    head = ["rotation", "values", "seconds", "values/s", "reads", "writes", "failed", "read p50 ms", "read p99 ms"]
    table(head, rows)
    return kept


def _without_trail() -> list[str | int]:
    """What the event of each row costs: the same with the trigger of the table off."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE compliance_vaultentry DISABLE TRIGGER {triggers.TRIGGER}")
    rotation.renew()
    report = rotation.rewrap()
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE compliance_vaultentry ENABLE ALWAYS TRIGGER {triggers.TRIGGER}")
    return [VALUES, f"{report.seconds:.1f}", f"{VALUES / report.seconds:.0f}"]


def _fill() -> None:
    with audit.bind(kind=audit.ActorKind.SERVICE, name="bench"):
        for start in range(0, VALUES, 5000):
            scope = uuid.uuid4()
            VaultEntry.objects.bulk_create(
                VaultEntry(scope=scope, token=f"[NAME_{n}]", label="NAME", value=f"value {n}", blind_index=b"")
                for n in range(start, start + 5000)
            )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE compliance_vaultentry")


@contextmanager
def _others(busy: bool) -> Iterator[tuple[Any, Any]]:
    results, stop = _fork.SimpleQueue(), _fork.Event()
    processes = []
    if busy:
        connections.close_all()
        tasks = [_read] * READERS + [_write] * WRITERS
        processes = [_fork.Process(target=task, args=(results, stop, seed)) for seed, task in enumerate(tasks)]
    for process in processes:
        process.start()
    try:
        yield results, stop
    finally:
        stop.set()
        for process in processes:
            process.join()


def _collected(results: Any, number: int) -> tuple[list[float], int, int]:
    found = [results.get() for _ in range(number)]
    reads = [seconds for times, _, _ in found for seconds in times]
    return reads, sum(writes for _, writes, _ in found), sum(failures for _, _, failures in found)


def _read(results: Any, stop: Any, seed: int) -> None:
    """One row at a time, at random, opened and compared with what it must hold."""
    times, failures, chance = [], 0, Random(seed)
    pks = list(VaultEntry.objects.values_list("pk", flat=True))
    while not stop.is_set():
        started = time.perf_counter()
        try:
            entry = VaultEntry.objects.get(pk=chance.choice(pks))
            failures += entry.value.removeprefix("new ") != f"value {entry.token[6:-1]}"
        except Exception:  # noqa: BLE001  # counted, and the run ends with it
            failures += 1
        times.append(time.perf_counter() - started)
    results.put((times, 0, failures))


def _write(results: Any, stop: Any, seed: int) -> None:
    writes, failures, chance = 0, 0, Random(seed)
    pks = list(VaultEntry.objects.values_list("pk", flat=True))
    with audit.bind(kind=audit.ActorKind.SERVICE, name="bench"):
        while not stop.is_set():
            try:
                entry = VaultEntry.objects.get(pk=chance.choice(pks))
                entry.value = f"new value {entry.token[6:-1]}"
                entry.save()
                writes += 1
            except Exception:  # noqa: BLE001  # counted, and the run ends with it
                failures += 1
    results.put(([], writes, failures))
