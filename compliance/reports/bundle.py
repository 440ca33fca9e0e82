"""What an auditor takes away: a zip with which the score can be worked out again, on a machine without ClinChat.

standalone/README.txt, which goes into every bundle, says what is in it; standalone/verify_controls.py checks it. That
nothing of it was changed later follows from the audit trail: the export itself is an event there, with a digest over
all other files, and goes along with the proof that it was sealed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
import time
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as day_time
from pathlib import Path
from typing import IO, Any, BinaryIO, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from clinchat import __version__
from clinchat.lib import clock
from clinchat.lib.keys import KeysUnavailable, Unsealable
from compliance import audit
from compliance.audit import bundle as audit_bundle
from compliance.audit import handed, signing
from compliance.audit.search import EventFilter
from compliance.controls import attestations, catalogue, results, scoring, standing
from compliance.controls.catalogue import Catalogue
from compliance.controls.results import canonical
from compliance.models import (
    Attestation,
    AuditEvent,
    CatalogueVersion,
    ControlException,
    ControlResult,
    MonthlyReport,
    PolicyAcknowledgement,
    PolicyVersion,
    Seal,
    SealedEvent,
)
from compliance.reports.sections import month_of

LONGEST: Final = 366
"""Days of a bundle."""
PAGE_LIMIT: Final = 150_000
"""Results somebody may download from a page; more would keep them waiting, and the command has no limit."""
PATIENCE: Final = 20.0
"""Seconds until the export has to be sealed. The sealing process looks every two."""
MARGIN: Final = timedelta(days=1)
"""Of the audit trail before and after the period: a result is on record when its check is done, not begun."""
RUNNING: Final = timedelta(minutes=3)
"""A check that began so long ago is done: no result of the period comes later."""
NOT_SETTLED: Final = timedelta(hours=1)
"""Anything older is sealed, or never will be."""
STANDALONE: Final = Path(__file__).parent / "standalone"
PROGRAMS: Final = (
    STANDALONE / "README.txt",
    STANDALONE / "verify_controls.py",
    audit_bundle.STANDALONE / "verify.py",
    audit_bundle.STANDALONE / "ed25519.py",
)
TYPE: Final = "clinchat.controls.bundle"
MARK: Final = b"clinchat-controls-bundle sha256:"
OBJECT: Final = "compliance.ControlResult"
CHUNK: Final = 2000


class BundleError(Exception):
    """Nothing was made; `line` is a sentence or two for whoever asked."""

    line = ""


class BadPeriod(BundleError):
    line = f"Choose a first day and a last one that is not before it, at most {LONGEST} days, none of them to come."


class NoResults(BundleError):
    line = "No check was made in these days, so there is nothing to prove. Choose others."


class TooMany(BundleError):
    line = (
        f"More than {PAGE_LIMIT:,} results are of these days, and this page exports {PAGE_LIMIT:,} at most. Choose "
        "fewer days, or ask your ClinChat operator to run “manage.py compliance_report --bundle”, which has no limit."
    )


class NotSealed(BundleError):
    line = (
        "The audit trail is not being sealed, so nothing can be proved. Tell your ClinChat operator: the process that "
        "seals is not running, or lacks its key."
    )


class NoKeys(BundleError):
    line = "The public keys of the audit trail cannot be read. Tell your ClinChat operator."


@dataclass(frozen=True, slots=True)
class Written:
    """What went into a bundle. `damaged` is what does not fit the seals of the trail: the bundle will not verify."""

    results: int
    events: int
    score: float
    damaged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Period:
    """In UTC, from the first moment of a day to before `end`: of what is not sealed yet nothing could be proved."""

    first: date
    last: date
    start: datetime
    end: datetime

    def moments(self) -> list[datetime]:
        """The last moments of the months that ended within it, then its own."""
        found, month = [], month_of(self.first)
        while month.end < self.end:
            found.append(month.last)
            month = month_of(month.end.date())
        return [*found, self.end - timedelta(microseconds=1)]


def period(first: date, last: date, *, limit: int | None = None) -> Period:
    """Raises BadPeriod, NoResults, TooMany."""
    now = clock.now()
    if not first <= last <= now.date() or (last - first).days >= LONGEST:
        raise BadPeriod
    start = datetime.combine(first, day_time.min, UTC)
    end = min(datetime.combine(last + timedelta(days=1), day_time.min, UTC), now - RUNNING)
    young = ControlResult.objects.filter(started_at__gte=max(start, now - NOT_SETTLED), started_at__lt=end)
    end = min([end, *_unsealed(young).values_list("started_at", flat=True)])
    found = ControlResult.objects.filter(started_at__gte=start, started_at__lt=end)
    if not found.exists():
        raise NoResults
    if limit is not None and found[: limit + 1].count() > limit:
        raise TooMany
    return Period(first, last, start, end)


def _unsealed(rows: QuerySet[ControlResult]) -> QuerySet[ControlResult]:
    """Those whose event is not sealed yet: the columns of the trail are text, so each is asked for by its own id."""
    from django.db.models import CharField
    from django.db.models.functions import Cast

    events = AuditEvent.objects.filter(
        object_type=OBJECT,
        object_id=Cast(OuterRef("pk"), CharField()),
        timestamp__gte=clock.now() - 2 * NOT_SETTLED,
    )
    sealed = events.filter(Exists(SealedEvent.objects.filter(event=OuterRef("pk"))))
    return rows.filter(~Exists(sealed.order_by()))


def write(period: Period, out: BinaryIO, *, documents: bool = False) -> Written:
    """Write the zip to `out`, which can seek. The export is recorded before the trail of the period is read.

    Raises NotSealed, NoKeys and audit.AuditUnavailable.
    """
    try:
        signing.public_keys()
    except signing.KeyUnusable:
        raise NoKeys from None
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.comment = MARK + b"0" * 64
        writer = _Writer(period, packed, documents)
        try:
            written = writer.write_all()
        except BaseException:
            if writer.recorded is not None:  # nothing of it is handed out
                handed.out(writer.recorded, sha256=hashlib.sha256().hexdigest(), count=0, broken_off=True)
            raise
    audit_bundle.close_with_checksum(out)
    if writer.recorded is not None:
        handed.out(writer.recorded, sha256=handed.digest(out), count=written.results)
    return written


def file_for(period: Period, *, documents: bool = False) -> IO[bytes]:
    """The bundle as a temporary file, at its beginning and gone when closed. Raises as `write` does."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  # whoever takes it closes it
    try:
        write(period, file, documents=documents)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


@dataclass(slots=True)
class _Writer:
    period: Period
    packed: zipfile.ZipFile
    documents: bool
    sums: dict[str, str] = field(default_factory=dict)
    proved: set[UUID] = field(default_factory=set)
    """Events outside the period that its files rest on."""
    results: int = 0
    recorded: UUID | None = None
    """The event of the export."""

    def write_all(self) -> Written:
        with transaction.atomic():
            found = self._contents()
        contents = hashlib.sha256(canonical(self.sums)).hexdigest()
        recorded = self.recorded = audit.record(
            code=audit.Code.SENSITIVE_READ,
            action=audit.Crude.READ,
            object_type=OBJECT,
            detail={
                "export": "bundle",
                "from": self.period.first.isoformat(),
                "to": self.period.last.isoformat(),
                "contents": contents,
                "documents": self.documents,
            },
        )
        _wait_for_seal(recorded)
        events, damaged = self._trail("audit.zip", self._slice())
        _, more = self._trail("proof.zip", _chosen({recorded, *self.proved}))
        manifest = {
            "type": TYPE,
            "form": 1,
            "version": __version__,
            "made_at": clock.now().isoformat(timespec="seconds"),
            "from": self.period.start.isoformat(),
            "before": self.period.end.isoformat(),
            "export": str(recorded),
            "contents": contents,
            "results": self.results,
            "files": dict(sorted(self.sums.items())),
        }
        self._write("manifest.json", [json.dumps(manifest, indent=2, sort_keys=True).encode() + b"\n"])
        return Written(self.results, events, found.value, (*damaged, *more))

    def _contents(self) -> scoring.Score:
        for path in PROGRAMS:
            self._write(path.name, [path.read_bytes()])
        keys = signing.public_keys().values()
        self._write("public_keys.txt", [base64.b64encode(key) + b"\n" for key in keys])
        books = self._catalogues()
        moments = self.period.moments()
        scores = standing.as_of(moments)
        self._write("results.jsonl", _lines(self._results()))
        self._write("earlier.jsonl", _lines(self._earlier(books)))
        self._write("attestations.jsonl", _lines(self._attestations()))
        self._write("exceptions.jsonl", _lines(self._exceptions()))
        self._write("score.json", [_pretty({"moments": [_scored(one) for one in scores]})])
        self._policies()
        self._reports()
        return scores[-1]

    def _write(self, name: str, parts: Iterable[bytes]) -> None:
        digest = hashlib.sha256()
        with self._entry(name) as file:
            for part in parts:
                digest.update(part)
                file.write(part)
        if name != "manifest.json":
            self.sums[name] = digest.hexdigest()

    @contextmanager
    def _entry(self, name: str, *, pack: int = zipfile.ZIP_DEFLATED) -> Iterator[IO[bytes]]:
        info = zipfile.ZipInfo(name, audit_bundle.EARLIEST)
        info.compress_type = pack
        info.create_system = 3
        info.external_attr = 0o644 << 16
        with self.packed.open(info, "w", force_zip64=True) as file:
            yield file

    # ── What the score rests on ────────────────────────────────────────────────────────────────────────────────

    def _catalogues(self) -> list[Catalogue]:
        """Each as it was read, and as JSON for who reads no YAML. What was asked for once still counts."""
        used = {one.sha256: one.first_used_at for one in CatalogueVersion.objects.order_by("first_used_at")}
        texts = dict(CatalogueVersion.objects.values_list("sha256", "text"))
        now = catalogue.current()
        texts.setdefault(now.sha256, now.text)
        order = [*used, *(() if now.sha256 in used else (now.sha256,))]
        books = []
        for sha256 in order:
            book = catalogue.parse(texts[sha256])
            books.append(book)
            first = used.get(sha256)
            plain = {
                "sha256": sha256,
                "first_used_at": first.isoformat() if first else None,
                "version": book.version,
                "retired": sorted(book.retired),
                "controls": [asdict(control) for control in book.controls],
            }
            self._write(f"catalogue/{sha256}.yaml", [texts[sha256].encode()])
            self._write(f"catalogue/{sha256}.json", [_pretty(plain)])
        return books

    def _results(self) -> Iterator[dict[str, Any]]:
        rows = ControlResult.objects.filter(started_at__gte=self.period.start, started_at__lt=self.period.end)
        for one in rows.order_by("started_at", "check_key").iterator(chunk_size=CHUNK):
            self.results += 1
            yield results.as_dict(one)

    def _earlier(self, books: Iterable[Catalogue]) -> Iterator[dict[str, Any]]:
        """Of each check the last result before the period: at its beginning it may count still."""
        for key in sorted({key for book in books for key in book.checks}):
            one = ControlResult.objects.filter(check_key=key, started_at__lt=self.period.start)
            if (last := one.order_by("-started_at").first()) is not None:
                self._prove(OBJECT, str(last.pk))
                yield results.as_dict(last)

    def _attestations(self) -> Iterator[dict[str, Any]]:
        """In the order they are looked at; the documents themselves only where they are asked for."""
        rows = Attestation.objects.filter(attested_at__lt=self.period.end).select_related("owner").defer("artifact")
        for one in rows.order_by("-attested_at", "pk"):
            self._prove("compliance.Attestation", str(one.pk))
            yield {
                "id": str(one.pk),
                "control": one.control,
                "owner": one.owner.name,
                "owner_id": str(one.owner_id),
                "statement": one.statement,
                "document": one.artifact_name,
                "document_sha256": one.artifact_sha256,
                "attested_at": _iso(one.attested_at),
                "review_by": _iso(one.review_by),
                "ended_at": _iso(one.ended_at),
                "ended_because": one.ended_because,
            }

    def _exceptions(self) -> Iterator[dict[str, Any]]:
        rows = ControlException.objects.filter(requested_at__lt=self.period.end)
        for one in rows.select_related("requested_by", "decided_by").order_by("-requested_at", "pk"):
            self._prove("compliance.ControlException", str(one.pk))
            yield {
                "id": str(one.pk),
                "control": one.control,
                "kind": one.kind,
                "reason": one.reason,
                "compensating": one.compensating,
                "requested_by": one.requested_by.name,
                "requested_by_id": str(one.requested_by_id),
                "requested_at": _iso(one.requested_at),
                "expires_at": _iso(one.expires_at),
                "status": one.status,
                "decided_by": one.decided_by.name if one.decided_by else "",
                "decided_by_id": str(one.decided_by_id or ""),
                "approved_at": _iso(one.approved_at),
                "decided_at": _iso(one.decided_at),
                "ended_at": _iso(one.ended_at),
            }

    def _policies(self) -> None:
        for policy in PolicyVersion.objects.filter(published_at__lt=self.period.end).order_by("slug", "published_at"):
            self._write(f"policies/{policy.slug}-{policy.version}.md", [policy.text.encode()])
        rows = PolicyAcknowledgement.objects.filter(at__lt=self.period.end).select_related("person", "policy")
        self._write(
            "acknowledgements.jsonl", _lines(_acknowledgement(one) for one in rows.order_by("at", "pk").iterator())
        )
        if self.documents:
            self._artifacts()

    def _artifacts(self) -> None:
        """The documents behind attestations, each once. One that cannot be opened is left out and missed."""
        written = set()
        for pk, sha256 in Attestation.objects.filter(attested_at__lt=self.period.end).values_list(
            "pk", "artifact_sha256"
        ):
            if sha256 in written:
                continue
            try:
                document = attestations.document(Attestation.objects.get(pk=pk))
            except (Unsealable, KeysUnavailable):
                continue
            written.add(sha256)
            self._write(f"artifacts/{sha256}", [document])

    def _reports(self) -> None:
        """Those of months within the period, as far as the trail that goes along can have them."""
        rows = MonthlyReport.objects.filter(month__gte=self.period.first.replace(day=1), month__lte=self.period.last)
        events = AuditEvent.objects.filter(object_type="compliance.MonthlyReport")
        for report in rows.order_by("month", "number"):
            event = events.filter(object_id=str(report.pk)).filter(changes__has_key="sha256").first()
            if event is None or not SealedEvent.objects.filter(event=event.pk).exists():
                continue
            self.proved.add(event.pk)
            self._write(f"reports/{report.month:%Y-%m}-{report.number}.json", [canonical(report.data)])

    # ── The audit trail ────────────────────────────────────────────────────────────────────────────────────────

    def _prove(self, object_type: str, object_id: str) -> None:
        """The events of this row go along, with the proof that they were sealed."""
        events = AuditEvent.objects.filter(object_type=object_type, object_id=object_id, changes__isnull=False)
        self.proved.update(events.order_by().values_list("pk", flat=True))

    def _slice(self) -> audit_bundle.Plan:
        start, end = (self.period.start - MARGIN).date(), (self.period.end + MARGIN).date()
        plan = audit_bundle.plan(EventFilter(since=start, until=end))
        if plan is None:
            raise NotSealed
        return plan

    def _trail(self, name: str, plan: audit_bundle.Plan) -> tuple[int, tuple[str, ...]]:
        """A bundle of the audit trail as one file of this one."""
        with tempfile.TemporaryFile() as file:
            with transaction.atomic():
                events, damaged = audit_bundle.write(plan, file)
            file.seek(0)
            digest = hashlib.sha256()
            with self._entry(name, pack=zipfile.ZIP_STORED) as inside:
                while part := file.read(1 << 20):
                    digest.update(part)
                    inside.write(part)
        self.sums[name] = digest.hexdigest()
        return events, damaged


def _chosen(events: set[UUID]) -> audit_bundle.Plan:
    """These events, wherever in the trail they are."""
    newest = Seal.objects.order_by("-number").values_list("number", flat=True).first() or 0
    places = SealedEvent.objects.order_by().filter(event__in=events, seal_id__lte=newest)
    return audit_bundle.Plan(EventFilter(object_type=OBJECT), places, newest, 0, None)


def _wait_for_seal(event: UUID) -> None:
    """Another process seals. Raises NotSealed when it does not."""
    end = time.monotonic() + PATIENCE
    while not SealedEvent.objects.filter(event=event).exists():
        if time.monotonic() > end:
            raise NotSealed
        time.sleep(0.25)


def _acknowledgement(one: PolicyAcknowledgement) -> dict[str, Any]:
    return {
        "person": one.person.name,
        "person_id": str(one.person_id),
        "policy": one.policy.slug,
        "version": one.policy.version,
        "at": _iso(one.at),
    }


def _scored(found: scoring.Score) -> dict[str, Any]:
    return {"digest": standing.digest(found), "score": found.as_dict()}


def _lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    for row in rows:
        yield canonical(row) + b"\n"


def _pretty(value: Any) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None
