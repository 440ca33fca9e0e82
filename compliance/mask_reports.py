"""Reports of missed and wrong masks: taken from their author, read and settled by the privacy team.

The words themselves are opened one report at a time, by name and on record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Count, QuerySet
from django.urls import reverse

from clinchat.lib import clock, ui_tags
from compliance import audit, data_keys, notices, vault
from compliance.access.roles import Action, permitted_roles
from compliance.models import MaskReport, Notice, User
from compliance.phi import Label, label_words
from compliance.phi.cover import blank

Kind, Outcome, Status = MaskReport.Kind, MaskReport.Outcome, MaskReport.Status
FIGURES_OVER: Final = timedelta(days=30)
SETTLE_WITHIN: Final = timedelta(days=7)


class AlreadySettled(Exception):
    """Somebody else was faster."""


@dataclass(frozen=True, slots=True)
class Reported:
    """What is reported of one question. `words` are clear, `note` is masked; `label` may be empty for a missed one."""

    kind: MaskReport.Kind
    scope: UUID
    turn: UUID
    token: str
    words: str
    label: str = ""
    note: str = ""


@transaction.atomic
def file(reported: Reported, *, by: User) -> MaskReport:
    """Keep a report and tell the privacy team its number. The same one again, while it is open, is the one there is."""
    report, new = MaskReport.objects.get_or_create(
        turn=reported.turn,
        kind=reported.kind,
        token=reported.token,
        status=Status.OPEN,
        defaults={
            "reporter": by,
            "scope": reported.scope,
            "label": reported.label,
            "words": reported.words,
            "note": reported.note,
        },
    )
    if new:
        team = notices.holders(*permitted_roles(Action.MANAGE_MASKING))
        notices.tell(
            [person for person in team if person != by],
            title="A mask was reported",
            text=f"Report {report.number}: {report.get_kind_display().lower()} mask.",
            url=reverse("mask-report", args=[report.pk]),
        )
    return report


def missed(scope: UUID) -> tuple[tuple[Label, str], ...]:
    """The words reported as missed in a conversation, with their class: for the masking step only."""
    found = MaskReport.objects.filter(scope=scope, kind=Kind.MISSED, erased_at=None).order_by("created_at", "pk")
    with data_keys.at_hand():
        return tuple((Label(report.label or Label.OTHER_ID), report.words) for report in found if report.words)


def blank_notes(scope: UUID, words: str) -> None:
    """Take words that were reported as missed out of the notes of a conversation's other reports."""
    for report in MaskReport.objects.filter(scope=scope).exclude(note="", settled_note=""):
        notes = {"note": blank(report.note, words, "…"), "settled_note": blank(report.settled_note, words, "…")}
        if notes != {"note": report.note, "settled_note": report.settled_note}:
            MaskReport.objects.filter(pk=report.pk).update(**notes)


def held() -> QuerySet[MaskReport, UUID]:
    """The conversations with reports whose words are not erased, to filter by."""
    return MaskReport.objects.filter(erased_at=None).order_by().values_list("scope", flat=True)


def waiting_for() -> QuerySet[MaskReport, UUID]:
    """The conversations with reports that are not settled, to filter by."""
    return MaskReport.objects.open().order_by().values_list("scope", flat=True)


def forget(scopes: Iterable[UUID]) -> int:
    """Erase the words of settled reports from conversations whose retention is over; returns how many there were."""
    settled = list(MaskReport.objects.filter(scope__in=list(scopes), status=Status.SETTLED, erased_at=None))
    for report in settled:
        report.words, report.erased_at = "", clock.now()
        report.save(update_fields=["words", "erased_at"])
    return len(settled)


def blank_words(scopes: Iterable[UUID]) -> None:
    """Take the words out of every report from some conversations, settled or not: they are erased."""
    forget(scopes)
    for report in MaskReport.objects.open().filter(scope__in=list(scopes)):
        report.words = ""
        report.save(update_fields=["words"])


def remind() -> int:
    """Tell the privacy team which reports wait for more than a week; the schedule does so weekly. Returns how many.

    The words of a report, and all of its conversation, are kept until it is settled, however old that is.
    """
    waiting = list(MaskReport.objects.open().filter(created_at__lt=clock.now() - SETTLE_WITHIN))
    if waiting:
        words = "1 mask report waits" if len(waiting) == 1 else f"{len(waiting)} mask reports wait"
        notices.tell(
            notices.holders(*permitted_roles(Action.MANAGE_MASKING)),
            title="Mask reports wait",
            text=f"{words} for more than a week, the oldest since {ui_tags.day(waiting[0].created_at)}. "
            "The words in a report are kept until it is settled.",
            url=reverse("masking"),
            level=Notice.Level.WARNING,
        )
    return len(waiting)


def opened(report: MaskReport, *, by: User) -> str:
    """The words of a report, for somebody who may manage masking. On record before they are returned."""
    audit.record(
        code=audit.Code.SENSITIVE_READ,
        action=audit.Crude.READ,
        actor=by,
        object_type="compliance.MaskReport",
        object_id=str(report.pk),
        patient=vault.patient(report.scope),
        detail={"step": "words"},
    )
    return report.words


@transaction.atomic
def settle(*, report_id: UUID, by: User, outcome: MaskReport.Outcome, note: str) -> MaskReport:
    """End a report with its outcome and tell who made it. `note` is masked. Raises AlreadySettled."""
    settled = MaskReport.objects.filter(pk=report_id, status=Status.OPEN).update(
        status=Status.SETTLED, outcome=outcome, settled_by=by, settled_at=clock.now(), settled_note=note
    )
    if not settled:
        raise AlreadySettled
    report = MaskReport.objects.select_related("reporter").get(pk=report_id)
    text = f"Report {report.number}. {outcome.label}."
    notices.tell([report.reporter], title="Your mask report was settled", text=text)
    return report


@dataclass(frozen=True, slots=True)
class Figures:
    """One class in the last 30 days: identifiers masked, and reports about it."""

    label: str
    masked: int
    missed: int
    wrong: int


def figures() -> list[Figures]:
    """Every class of which there is anything to say, the most frequent first; reports without a class come last."""
    since = clock.now() - FIGURES_OVER
    masked = vault.counts(since)
    reported: Counter[tuple[str, str]] = Counter()
    recent = MaskReport.objects.filter(created_at__gte=since).order_by()
    for kind, label, count in recent.values_list("kind", "label").annotate(count=Count("pk")):
        reported[kind, label] = count
    found = [
        Figures(words, masked[label], reported[Kind.MISSED, label], reported[Kind.WRONG, label])
        for label, words in [*((str(label), words) for label, words in label_words.items()), ("", "Not said")]
    ]
    shown = [one for one in found if one.masked or one.missed or one.wrong]
    return sorted(shown, key=lambda one: (-one.masked, -one.missed - one.wrong))
