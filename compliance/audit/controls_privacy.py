"""The check that events and log lines name no patient."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import connection, transaction

from compliance.audit import triggers
from compliance.controls.registry import CannotLook, Found, check

NEWEST: Final = 2000
"""Changes that are looked at, the newest first."""
TAIL: Final = 4 * 1024 * 1024
"""Bytes of the end of each log file."""
DIGEST: Final = re.compile(r"hmac:[0-9a-f]{16}")

_CHANGES: Final = """
SELECT id::text, object_type, changes FROM compliance_auditevent
WHERE lane = 'data' AND changes IS NOT NULL AND object_type = ANY(%s)
ORDER BY "timestamp" DESC LIMIT %s
"""
_MINE: Final = """
SELECT entry::text FROM compliance_auditevent AS entry
WHERE xid >= %s::xid8 AND "timestamp" >= now() - interval '1 minute'
"""
"""Since this transaction began. No index knows transactions: without the time, years of events would be read."""


@check("audit.no_phi", seconds=30)
def no_phi() -> Found:
    """An invented patient of every class of identifier, asked about; the newest changes; and the log files.

    In the changes of a table every column that is not named as shown must be a keyed digest as a whole: a value of
    which a part was left in clear is half masked.
    """
    from compliance import masked_texts, metrics, phi_checks

    if not masked_texts.trials():
        raise CannotLook("no part of ClinChat says how a text is stored.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text")
        (began,) = cursor.fetchone()
    with metrics.unused(), transaction.atomic():
        for take in masked_texts.trials().values():
            take(phi_checks.canary_question())
        with connection.cursor() as cursor:
            cursor.execute(_MINE, [began])
            events = [row for (row,) in cursor.fetchall()]
    half, changes = _half_masked()
    files = [path for path in log_files() if os.access(path, os.R_OK)]
    failing = [f"event: {label}" for label in sorted({label for row in events for label in phi_checks.clear_in(row)})]
    failing += [f"column {name}" for name in half]
    failing += [f"log {path.name}: {label}" for path in files for label in sorted(phi_checks.clear_in(_end(path)))]
    if not events:
        raise CannotLook("the invented question left no event.")
    return Found(
        ok=not failing,
        observed=f"{len(failing)} traces of identifiers in {len(events)} events of an invented patient, "
        f"{changes} newest changes and {len(files)} log files",
        subjects=len(events) + changes + len(files) + len(phi_checks.CANARY),
        failing=failing,
        evidence={"events": len(events), "changes": changes, "log_files": [path.name for path in files]},
    )


def _half_masked() -> tuple[list[str], int]:
    """Columns of which a value was recorded that should be a digest; and how many changes were looked at."""
    shown = {one.object_type: set(one.shown) for one in triggers.watched().values()}
    with connection.cursor() as cursor:
        cursor.execute(_CHANGES, [list(shown), NEWEST])
        rows = cursor.fetchall()
    found = set()
    for _, object_type, raw in rows:
        for column, pair in (json.loads(raw) if isinstance(raw, str) else raw).items():
            if column not in shown[object_type] and not all(_hidden(value) for value in pair):
                found.add(f"{object_type}.{column}")
    return sorted(found), len(rows)


def _hidden(value: object) -> bool:
    return value is None or (isinstance(value, str) and DIGEST.fullmatch(value) is not None)


def log_files() -> list[Path]:
    """Files that loggers of this process write to, and those of the embedded servers and of the supervisor."""
    return sorted({*_of_handlers(), *((settings.VAR / "log").glob("*") if settings.EMBEDDED else ())})


def _of_handlers() -> Iterator[Path]:
    loggers = [logging.getLogger(), *map(logging.getLogger, list(logging.root.manager.loggerDict))]
    for handler in {handler for one in loggers for handler in one.handlers}:
        if isinstance(handler, logging.FileHandler) and handler.baseFilename != os.devnull:
            yield Path(handler.baseFilename)


def _end(path: Path) -> str:
    with suppress(OSError), path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        return file.read().decode(errors="replace")
    return ""
