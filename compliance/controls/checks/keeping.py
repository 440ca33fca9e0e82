"""Checks of what is kept: long enough, still readable, and handed out only on record."""

from __future__ import annotations

import hashlib
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.db import Error, connection, transaction
from django.test.utils import override_settings

from clinchat.lib import clock
from clinchat.lib.keys import KeysUnavailable, Unsealable
from compliance import rotation, vault
from compliance.audit import retention, signing
from compliance.continuity.deletion import retention as rules_of_retention
from compliance.continuity.deletion.retention import Rule
from compliance.controls import canary, readable
from compliance.controls.registry import CannotLook, Found, check
from compliance.models import Attestation, AuditEvent, AuditPurge, Code, LegalHold, Purge, Seal, SealedEvent
from compliance.phi import Entity, Label

YEARS_OF_TRAIL: Final = 10

# ── How long ────────────────────────────────────────────────────────────────────────────────────────────────────

KINDS: Final = {"trail", "training", "approvals", "policies", "controls", "registers", "continuity", "documents"}
"""What must have a rule that keeps it, whichever app has it. Incidents do not exist yet."""
_REFUSING: Final = """
SELECT tgrelid::regclass::text FROM pg_trigger
WHERE tgenabled IN ('O', 'A') AND (tgtype & 8) = 8 AND (tgtype & 2) = 2 AND tgqual IS NULL
  AND tgfoid = 'compliance_refuse'::regproc
"""


@check("retention.policy")
def policy() -> Found:
    """How long the trail is kept by the code and by the database, both tried; what refuses deletion of other records;
    whether a legal hold would stop a purge; and every purge there was.

    The trail is tried with a purge of nine years ago, on two people's word: the database must refuse it.
    """
    with connection.cursor() as cursor:
        cursor.execute(_REFUSING)
        kept = {table for (table,) in cursor.fetchall()}
    rules = rules_of_retention.rules()
    tables = [table for one in rules for table in one.tables]
    failing = [f"table {table} can be deleted from" for table in tables if table not in kept]
    failing += [f"no rule keeps {kind}" for kind in sorted(KINDS - {one.key for one in rules})]
    failing += list(_short(rules))
    failing += list(_gone_too_early(rules))
    failing += list(_early_purges())
    purges = list(AuditPurge.objects.filter(status=AuditPurge.Status.DONE))
    for one in purges:
        if one.decided_at is None or one.before > _years_before(one.decided_at.date()):
            failing.append(f"purge {one.pk} was early")
    failing += [f"no events of {month:%Y-%m}, and no purge of them" for month in _lost_months(purges)]
    return Found(
        ok=not failing,
        observed=f"{len(rules)} rules, trail {retention.YEARS} years, {len(tables)} tables of records kept for good, "
        f"{len(purges)} purges of the trail, {len(failing)} things wrong",
        subjects=len(rules) + len(tables) + len(purges) + 4 + len(failing),
        failing=failing,
        evidence={
            "rules": {one.key: one.days() if one.days else f"{one.years} years" for one in rules},
            "trail_years": retention.YEARS,
            "legal_hold": settings.LEGAL_HOLD,
            "holds": LegalHold.objects.filter(ended_at=None).count(),
            "purges": len(purges),
        },
    )


def _short(rules: list[Rule]) -> Iterator[str]:
    """Rules that keep what is kept for good for less than seven years, and the trail for less than ten."""
    for one in rules:
        least = YEARS_OF_TRAIL if one.key == "trail" else rules_of_retention.FOR_GOOD_YEARS
        years = retention.YEARS if one.key == "trail" else one.years
        if one.due is None and years < least:
            yield f"{one.key} is kept {years} years"


def _gone_too_early(rules: list[Rule]) -> Iterator[str]:
    """Turns of a rule that went further than any setting lets it, and deletions of what nothing may delete."""
    undeleted = [kind for one in rules for kind in one.undeleted]
    deleted = AuditEvent.objects.filter(code=Code.SENSITIVE_DELETE, object_type__in=undeleted).count()
    if deleted:
        yield f"{deleted} documents were deleted"
    least = {one.key: timedelta(days=one.least) for one in rules}
    for turn in Purge.objects.all():
        if turn.before > turn.ran_at - least.get(turn.rule, timedelta()):
            yield f"turn {turn.pk} of {turn.rule} was early"


def _years_before(day: date) -> date:
    return day.replace(year=day.year - YEARS_OF_TRAIL, day=1)


def _early_purges() -> Iterator[str]:
    """Purges that are let through though they must not be. Each is taken back."""
    asks, decides = canary.account(), canary.account()
    today = clock.now().date()
    nine = today.replace(year=today.year - YEARS_OF_TRAIL + 1, day=1)
    done = {"status": AuditPurge.Status.DONE, "decided_by": decides, "decided_at": clock.now()}
    with suppress(Error), transaction.atomic():
        early = AuditPurge.objects.create(before=nine, reason="Canary", requested_by=asks, **done)
        with connection.cursor() as cursor:
            cursor.execute("SELECT compliance_audit_purge(%s)", [early.pk])
        yield "the database purges what is nine years old"
    with suppress(retention.TooYoung), transaction.atomic():
        retention.request(before=nine, reason="Canary", actor=asks)
        yield "a purge of what is nine years old can be asked for"
    AuditPurge.objects.filter(status=AuditPurge.Status.REQUESTED).update(status=AuditPurge.Status.CANCELLED)
    old = retention.request(before=today.replace(year=today.year - 50, day=1), reason="Canary", actor=asks)
    with suppress(retention.OnHold), transaction.atomic(), override_settings(LEGAL_HOLD=True):
        retention.approve(purge_id=old.pk, actor=decides)
        yield "a legal hold does not stop a purge"
    scope = uuid.uuid4()
    vault.store(scope, [Entity("[NAME-1]", Label.NAME, "Canary")])
    LegalHold.objects.create(kind=LegalHold.Kind.CONVERSATION, subject=str(scope), reason="Canary", placed_by=asks)
    if vault.erase([scope]).values:
        yield "a hold on a conversation does not keep its values"


def _lost_months(purges: list[AuditPurge]) -> list[date]:
    """Months in which events were sealed, and of which there is no table any more, though nobody purged them."""
    purged = max((one.before for one in purges), default=date.min)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT to_date(right(relname, 6), 'YYYYMM') FROM pg_class WHERE oid IN (SELECT inhrelid FROM pg_inherits "
            "WHERE inhparent = 'compliance_auditevent'::regclass)"
        )
        there = {month for (month,) in cursor.fetchall()}
    sealed = set(Seal.objects.order_by().values_list("month", flat=True).distinct())
    return sorted(month for month in sealed if month not in there and month >= purged)


# ── Still readable ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Oldest:
    """What was looked at of one class: the id of its oldest record, and whether it opens and verifies."""

    name: str
    sound: bool


@check("retention.oldest_readable", seconds=30)
def oldest_readable() -> Found:
    """The oldest record of each class: event, seal, sealed columns, signed document; and those of the other apps."""
    try:
        found = list(_oldest())
    except KeysUnavailable:
        raise CannotLook("the place the keys are kept in does not answer.") from None
    except signing.KeyUnusable:
        raise CannotLook("the public keys of the seals cannot be read.") from None
    failing = [one.name for one in found if not one.sound]
    return Found(
        ok=not failing,
        observed=f"{len(found) - len(failing)} of {len(found)} classes of records open and verify at their oldest",
        subjects=len(found),
        failing=failing,
        evidence={"classes": [one.name for one in found]},
    )


def _oldest() -> Iterator[Oldest]:
    event = AuditEvent.objects.order_by("timestamp", "id").first()
    if event is not None:
        digest = hashlib.sha256(b"\0" + bytes(event.canonical)).digest()
        leaf = SealedEvent.objects.filter(event=event.pk).first()
        sound = digest == bytes(event.digest) and (leaf is None or bytes(leaf.digest) == digest)
        yield Oldest("event", sound)
    seal = Seal.objects.order_by("number").first()
    if seal is not None:
        signed = signing.valid(key=seal.key_id, message=bytes(seal.statement), signature=bytes(seal.signature))
        yield Oldest("seal", signed)
    for column in rotation.columns():
        row = _first(column)
        if row is not None:
            yield Oldest(column.name, _opens(partial(_is_open, row, column.field.attname)))
    document = Attestation.objects.order_by("attested_at").first()
    if document is not None:
        from compliance.controls import attestations

        def as_signed() -> bool:
            return hashlib.sha256(attestations.document(document)).hexdigest() == document.artifact_sha256

        yield Oldest("document of an attestation", _opens(as_signed))
    for name, reads in readable.readers().items():
        sound_there = reads()
        if sound_there is not None:
            yield Oldest(name, sound_there)


def _first(column: rotation.Column) -> Any:
    """The oldest row of a sealed column; where rows have no time, the one with the lowest id."""
    names = {one.name for one in apps.get_model(column.model._meta.label)._meta.concrete_fields}  # noqa: SLF001  # documented by Django
    by = next((name for name in ("created_at", "attested_at", "started_at", "proposed_at") if name in names), "pk")
    return column.rows().order_by(by).first()


def _is_open(row: Any, name: str) -> bool:
    return getattr(row, name) is not None


def _opens(read: Callable[[], bool]) -> bool:
    try:
        return read()
    except (Unsealable, UnicodeDecodeError, ValueError):
        return False


# ── Handed out ──────────────────────────────────────────────────────────────────────────────────────────────────

LEDGER: Final = timedelta(days=90)
FILE_HOURS: Final = 24
"""A file of an export on this machine for longer was forgotten."""
NAMES: Final = ("audit-*.csv", "audit-*.jsonl", "audit-*.ndjson", "audit-*.zip", "training-*.csv", "training-*.pdf")

_EXPORTS: Final = """
SELECT event.id::text, actor_id IS NOT NULL OR actor_name <> '', purpose <> '',
       done.detail ? 'sha256' AND (done.detail ->> 'count') IS NOT NULL
FROM compliance_auditevent AS event
LEFT JOIN LATERAL (SELECT detail FROM compliance_auditevent AS later
    WHERE later."timestamp" >= event."timestamp" AND later."timestamp" < event."timestamp" + interval '1 day'
      AND later.object_id = event.id::text AND later.object_type = 'compliance.Export' LIMIT 1) AS done ON true
WHERE event."timestamp" >= %s AND event."timestamp" < %s AND event.lane = 'access' AND event.detail ? 'export'
"""


@check("export.ledger", zero_ok=True)
def ledger() -> Found:
    """Every export of the trail and of training in 90 days: who asked, for what purpose, how much, and its digest; and
    whether a file of one was left on this machine.

    House decision: no third person approves an export. Only roles that two people gave may export at all, each export
    is limited, recorded before it is written, and handed to whoever asked; nothing is kept that could expire. An
    export of which no digest is on record was broken off; within the last ten minutes it may still be going on.
    """
    now = clock.now()
    with connection.cursor() as cursor:
        cursor.execute(_EXPORTS, [now - LEDGER, now - timedelta(minutes=10)])
        rows = cursor.fetchall()
    lacking: Counter[str] = Counter()
    failing = []
    for event, requester, purpose, done in rows:
        for what, there in (("requester", requester), ("purpose", purpose), ("digest", done)):
            if not there:
                lacking[what] += 1
                failing.append(f"{event} {what}")
    left = sorted(path.name for path in _left_behind())
    failing += [f"file {name}"[:150] for name in left]
    return Found(
        ok=not failing,
        observed=f"{len(rows)} exports in 90 days; without requester {lacking['requester']}, purpose "
        f"{lacking['purpose']}, digest {lacking['digest']}; {len(left)} files left behind",
        subjects=len(rows) + len(failing),
        failing=failing,
        evidence={"exports": len(rows), "files_looked_for": list(NAMES)},
    )


def _left_behind() -> Iterator[Path]:
    places = [Path(tempfile.gettempdir()), Path(settings.VAR)]
    old = time.time() - FILE_HOURS * 3600
    for place in places:
        for name in NAMES:
            for path in place.glob(name):
                with suppress(OSError):
                    if path.is_file() and path.stat().st_mtime < old:
                        yield path
