"""Releases of the table in the database: taken in once they are proved sound, compared, and applied in one step.

Going back to an earlier release is applying it. Until one is applied, the release in the image is in use.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from chat import days
from chat.interactions import current, release, selftest, status
from chat.interactions.release import Damaged, Release
from chat.interactions.release_report import Outline, Report, compare, local, sources
from chat.interactions.table import Table
from chat.models import DrugTable, LocalInteraction
from clinchat.lib import clock
from compliance import notices
from compliance.access.roles import Action, permitted_roles
from compliance.models import Notice, User

WRONG_PAIRS = "the words of the pairs"


class Unsound(Exception):
    """The release contradicts itself or fails the self-test. `failed` names what, each in a few words."""

    def __init__(self, failed: tuple[str, ...]) -> None:
        super().__init__("Unsound")
        self.failed = failed


class AlreadyThere(Exception):
    """The very same release was taken in before."""

    def __init__(self, row: DrugTable) -> None:
        super().__init__("AlreadyThere")
        self.row = row


class VersionTaken(Exception):
    """Another release has the version. Two that differ must not go by one name."""


class AlreadyInUse(Exception):
    """The release is the one in use."""


class Overtaken(Exception):
    """Another release came into use since the report was read."""


# ── Taking in ──────────────────────────────────────────────────────────────────────────────────────────────────────


def add(*, path: Path, by: User | None) -> DrugTable:
    """Take in a release from a folder or a packed file. It is not applied.

    Raises Damaged, Unsound, AlreadyThere and VersionTaken; nothing is then stored.
    """
    return _add(_read(path), by)


def _read(path: Path) -> Release:
    if path.is_dir():
        return release.read(path)
    try:
        if path.stat().st_size > release.MOST_PACKED:
            raise Damaged(f"The file is larger than {release.MOST_PACKED // 1024**2} MB.")
        return release.unpack(path.read_bytes())
    except OSError:
        raise Damaged("The file cannot be read.") from None


def offer_shipped() -> DrugTable | None:
    """Take in the release that came with the image; none when it is there already.

    The first one of an installation is in use at once, as it was without a row. A later one waits to be applied.
    Raises Damaged, Unsound and VersionTaken.
    """
    shipped = release.shipped()
    if DrugTable.objects.filter(sha256=shipped.sha256).exists():
        return None
    try:
        with transaction.atomic():
            row = _add(shipped, None)
            if not DrugTable.objects.exclude(pk=row.pk).exists():
                _put_in_use(row, None)
            else:
                _tell("A release of the interaction table came with ClinChat", "Read what it changes.", row)
    except AlreadyThere:  # another process was quicker
        return None
    return row


def _add(found: Release, by: User | None) -> DrugTable:
    if row := DrugTable.objects.defer("packed").filter(sha256=found.sha256).first():
        raise AlreadyThere(row)
    if DrugTable.objects.filter(version=found.version).exists():
        raise VersionTaken
    outline = Outline.of(proved(found))
    row = DrugTable(version=found.version, sha256=found.sha256, packed=found.packed(), added_by=by)
    row.report = _report(in_use(), outline)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        if other := DrugTable.objects.defer("packed").filter(sha256=found.sha256).first():
            raise AlreadyThere(other) from None
        raise
    return row


def proved(found: Release) -> Table:
    """The release as a table that answers as it must, word for word. Takes two seconds. Raises Damaged and Unsound."""
    try:
        table = Table(found)
        failed = selftest.failures(table)
        same = selftest.same_pairs(table)
        status.sources(table)  # pages tell how old they are
    except (LookupError, TypeError, ValueError, AttributeError):  # some of it shows only when a pair is written out
        raise Damaged("The files of the release contradict each other.") from None
    if not same:
        failed = (*failed, WRONG_PAIRS)
    if failed:
        raise Unsound(failed)
    return table


# ── Comparing ──────────────────────────────────────────────────────────────────────────────────────────────────────


def in_use() -> DrugTable | None:
    """The release in use; none: that of the image."""
    return DrugTable.objects.defer("packed").filter(in_use=True).first()


def report(row: DrugTable) -> Report:
    """What applying it would change now; of the one in use, what it changed when it was applied. Raises Damaged.

    Empty where there is nothing to compare with: it is the first one, or the one in use is damaged.
    """
    if row.in_use:
        return dict(row.report)
    return _report(in_use(), _outline(row.sha256))


def _report(used: DrugTable | None, after: Outline) -> Report:
    try:
        before = _outline(used.sha256) if used else _shipped_outline()
    except Damaged:  # and is to be replaced all the sooner
        return {}
    if before.sha256 == after.sha256:
        return {}
    today = days.today()
    rows = LocalInteraction.objects.in_force(today) | LocalInteraction.objects.open()
    return compare(before, after) | {"local": local(rows.order_by("a", "b"), before, after)}


@lru_cache(maxsize=4)
def _outline(sha256: str) -> Outline:
    packed = DrugTable.objects.values_list("packed", flat=True).get(sha256=sha256)
    return Outline.of(Table(release.unpack(bytes(packed))))


@lru_cache(maxsize=1)
def _shipped_outline() -> Outline:
    return Outline.of(Table(release.shipped()))


def ordered() -> QuerySet[DrugTable]:
    """All releases, the newest first, without their files."""
    return DrugTable.objects.defer("packed", "report").select_related("added_by", "applied_by").order_by("-added_at")


# ── Applying ───────────────────────────────────────────────────────────────────────────────────────────────────────


def apply(*, table_id: UUID, by: User | None, seen: str) -> DrugTable:
    """Check with this release from now on; all processes follow within a second. `by` none: an operator.

    `seen` is the SHA-256 of the release in use when the report was read, empty for that of the image. The release is
    proved again first. Raises AlreadyInUse, Overtaken, Damaged and Unsound.
    """
    row = DrugTable.objects.get(pk=table_id)
    if row.in_use:
        raise AlreadyInUse
    after = Outline.of(proved(release.unpack(bytes(row.packed))))
    with transaction.atomic():
        list(DrugTable.objects.select_for_update().order_by("pk").values_list("pk"))  # one at a time
        used = in_use()
        if used and used.pk == row.pk:
            raise AlreadyInUse
        if (used.sha256 if used else "") != seen:
            raise Overtaken
        if used:
            used.in_use = False
            used.save(update_fields=["in_use"])
        row.report = _report(used, after)
        _put_in_use(row, by)
        text = f"Version {row.version} is in use. {_said(row.report)}"
        _tell("The interaction table changed", text, row, level=Notice.Level.WARNING)
    return row


def _put_in_use(row: DrugTable, by: User | None) -> None:
    row.in_use, row.applied_at, row.applied_by = True, clock.now(), by
    row.save(update_fields=["in_use", "applied_at", "applied_by", "report"])
    transaction.on_commit(current.forget)


def _said(found: Report) -> str:
    if not found:
        return "It could not be compared with the one before."
    counts = ((found[name]["count"], name) for name in ("added", "removed", "raised", "lowered"))
    said = ", ".join(f"{count:,} {name}" for count, name in counts if count)
    return f"Pairs: {said}." if said else "No pair was added, removed, raised or lowered."


def _tell(title: str, text: str, row: DrugTable, *, level: Notice.Level = Notice.Level.INFO) -> None:
    people = notices.holders(*permitted_roles(Action.EDIT_INTERACTIONS))
    notices.tell(people, title=title, text=text, url=row.get_absolute_url(), level=level)


# ── Its limits ─────────────────────────────────────────────────────────────────────────────────────────────────────


def limits(table: Table) -> dict[str, Any]:
    """What a reader of the table has to know of it, in numbers of the table itself."""
    return {
        "version": table.version,
        "pairs": table.pairs,
        "severities": {severity.value: count for severity, count in table.severities.items()},
        "medicines": len(table.drugs),
        "not_covered": sum(not drug.covered for drug in table.drugs.values()),
        "common_not_covered": list(status.without_data(table)),
        "sources": list(sources(table).items()),
    }
