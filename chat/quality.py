"""What the page about quality shows: figures over time, the last comparisons, and when ClinChat gives no answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils import dateformat, timezone

from chat import calibration
from chat.models import Calibration, Collection, Document, DocumentVersion, EmbeddingIndex, Evaluation
from clinchat.lib import charts

SHOWN = 30
"""Evaluations of a collection in its chart."""
COMPARED = 8
"""Of them, the newest, in the list below it."""
NAMES = ("Order (nDCG)", "Answered", "Declined")
"""Of the lines: nDCG at 10, answerable questions answered, questions without an answer here declined."""


@dataclass(frozen=True)
class Shelf:
    """One collection. `chart` is None while there are fewer than two evaluations to draw."""

    collection: Collection
    questions: int
    behind: int
    chart: charts.Chart | None
    evaluations: Sequence[Evaluation]


@dataclass(frozen=True)
class Abstention:
    """When an answer is given. `row` is None where the threshold that ClinChat comes with holds, and then there is
    nothing but that. `asked`, `answered` and `declined` count of a hundred.
    """

    row: Calibration | None
    threshold: float
    questions: int
    unanswerable: int
    chart: charts.Chart | None = None
    asked: int = 0
    answered: int = 0
    declined: int = 0
    figures: Sequence[tuple[str, str]] = ()


def shelf(collection: Collection) -> Shelf:
    newest = list(_evaluations(collection)[:SHOWN])
    return Shelf(
        collection=collection,
        questions=collection.questions.count(),
        behind=len(behind(collection)),
        chart=_trend(collection, newest[::-1]),
        evaluations=newest[:COMPARED],
    )


def behind(collection: Collection) -> list[str]:
    """The labeled questions that name a document which is not searched: somebody must change what they expect."""
    searched = DocumentVersion.objects.filter(status=DocumentVersion.Status.PUBLISHED, document__collection=collection)
    there = set(Document.objects.filter(versions__in=searched).values_list("external_id", flat=True))
    asked = collection.questions.exclude(relevant={}).values_list("external_id", "relevant")
    return [name for name, relevant in asked if not relevant.keys() <= there]


def _evaluations(collection: Collection) -> QuerySet[Evaluation]:
    return collection.evaluations.select_related("release", "against").defer("scores", "against__scores")


def _trend(collection: Collection, evaluations: Sequence[Evaluation]) -> charts.Chart | None:
    if len(evaluations) < 2:
        return None
    at = charts.places(len(evaluations))
    values = [(e.ndcg, 1 - e.declined_wrongly, e.declined_rightly) for e in evaluations]
    lines = [
        charts.Line(
            name,
            [
                charts.Point(x, shares[n], f"{_moment(e)}: {name} {shares[n]:.3f}", marked=not e.passed)
                for x, e, shares in zip(at, evaluations, values, strict=True)
            ],
        )
        for n, name in enumerate(NAMES)
    ]
    first, last = values[0][0], values[-1][0]
    moved = "is unchanged at" if round(first, 3) == round(last, 3) else "rose to" if last > first else "fell to"
    return charts.chart(
        f"{collection.name}: order of the documents (nDCG) {moved} {last:.3f} over {len(evaluations)} evaluations",
        lines,
        below=[(x, _day(e)) for x, e in zip(at, evaluations, strict=True)],
        head=("Evaluated", *NAMES),
        rows=[
            (_moment(e), *(f"{share:.3f}" for share in shares)) for e, shares in zip(evaluations, values, strict=True)
        ],
    )


def _day(evaluation: Evaluation) -> str:
    return dateformat.format(timezone.localtime(evaluation.at), "M j")


def _moment(evaluation: Evaluation) -> str:
    return dateformat.format(timezone.localtime(evaluation.at), "M j, Y, H:i")


def abstention() -> Abstention:
    searched = EmbeddingIndex.objects.filter(state=EmbeddingIndex.State.ACTIVE).first()
    model = searched.model if searched else ""
    row = calibration.active(model)
    questions, unanswerable = calibration.questions()
    if row is None:
        return Abstention(None, calibration.current(model).threshold, questions, unanswerable)
    holds = _at_threshold(row)
    return Abstention(
        row,
        row.threshold,
        questions,
        unanswerable,
        chart=_curve(row, holds),
        asked=round(100 * row.asked),
        answered=round(100 * holds["answered"]),
        declined=round(100 - 100 * holds["false"]),
        figures=_figures(row.figures),
    )


def _figures(found: dict[str, Any]) -> list[tuple[str, str]]:
    """What a fit is judged by. All but the first are of the half it was not fitted on."""
    return [
        ("Fitted on", f"{found['fitted']:,} questions, {found['fitted_unanswerable']:,} without an answer here"),
        ("Reported on", f"{found['tested']:,} others, {found['tested_unanswerable']:,} without an answer here"),
        ("Tells them apart (AUROC)", f"{found['auroc']:.3f} of 1"),
        ("Expected calibration error", f"{found['ece']:.3f}"),
        ("Answered, if 5 of 100 unanswerable may be", f"{found['coverage_5']:.1%} of the answerable"),
        ("Answered, if 10 of 100 unanswerable may be", f"{found['coverage_10']:.1%} of the answerable"),
    ]


def _at_threshold(row: Calibration) -> dict[str, Any]:
    """The point of the curve that the threshold stands for: the highest one not above it."""
    points: list[dict[str, Any]] = sorted(row.curve, key=lambda point: point["threshold"])
    return next((point for point in reversed(points) if point["threshold"] <= row.threshold), points[0])


def _curve(row: Calibration, holds: dict[str, Any]) -> charts.Chart:
    points = sorted(row.curve, key=lambda point: (point["answered"], point["false"]))
    line = charts.Line("Wrongly answered", [charts.Point(p["answered"], p["false"]) for p in points])
    return charts.chart(
        f"With {holds['answered']:.0%} of the answerable questions answered, {holds['false']:.0%} of those that have "
        "no answer here were answered all the same",
        [line],
        below=[(share, f"{share:.0%}") for share in (0, 0.25, 0.5, 0.75, 1)],
        upright=(holds["answered"], "now"),
        head=("Threshold", "Answered", "Wrongly answered"),
        rows=[(f"{p['threshold']:.3f}", f"{p['answered']:.1%}", f"{p['false']:.1%}") for p in points],
    )
