"""When ClinChat answers and when it says that the answer is not here, fitted on the labeled questions there are.

Half of the questions are fitted on, the others say how well it holds. The threshold is the one at which no more of the
answerable questions go unanswered than were asked for. With too few questions what ClinChat comes with holds.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import transaction

from chat.models import Calibration, Collection, EmbeddingIndex, LabelledQuestion, Release
from chat.pipeline import abstain

logger = logging.getLogger(__name__)

FRESH_SECONDS = 5.0
"""For so long a process goes on with the calibration it has read."""
BINS = 10
POINTS = 50
"""Of the stored curve: more could not be told apart in the picture."""


class Enough(NamedTuple):
    questions: int
    unanswerable: int


ENOUGH = Enough(questions=60, unanswerable=15)
"""Fewer say too little: with seven unanswerable ones in a half, one of them is 14 points."""


@dataclass(frozen=True)
class Current:
    """What the pipeline judges with. `key` is another one after each change; `shipped`: the default of this version."""

    key: str
    weights: Mapping[str, float]
    threshold: float
    shipped: bool


class Judged(NamedTuple):
    """A question of the half that was not fitted on: how probable an answer seemed, and whether there is one."""

    probability: float
    answerable: bool


# ── What holds now ───────────────────────────────────────────────────────────────────────────────────────────────

_seen: dict[str, tuple[float, Current]] = {}


def current(model: str) -> Current:
    """The calibration that holds for an embedding model: fitted here, or the one ClinChat comes with."""
    at, found = _seen.get(model, (float("-inf"), None))
    if found is None or time.monotonic() - at > FRESH_SECONDS:
        found = _read(model)
        _seen[model] = (time.monotonic(), found)
    return found


def forget() -> None:
    """Read it again when it is asked for next: it was changed, or a transaction that changed it went back."""
    _seen.clear()


def active(model: str) -> Calibration | None:
    """The calibration that was fitted here for an embedding model; None: the shipped one holds."""
    return Calibration.objects.filter(active=True, model=model).first()


def fits(model: str) -> bool:
    """Whether what holds for an embedding model was fitted for it, here or before ClinChat was shipped."""
    return abstain.knows(model) or active(model) is not None


def questions() -> tuple[int, int]:
    """How many labeled questions there are to fit on, and how many of them have no answer here."""
    asked = LabelledQuestion.objects.filter(collection__live_chunks__gt=0)
    return asked.count(), asked.filter(relevant={}).count()


def _read(model: str) -> Current:
    row = active(model)
    if row is None:
        weights, threshold = abstain.shipped(model)
        return Current(f"shipped {threshold}", weights, threshold, shipped=True)
    return Current(str(row.pk), row.weights, row.threshold, shipped=False)


# ── Fitting ──────────────────────────────────────────────────────────────────────────────────────────────────────


def refit(*, asked: float | None = None, release: Release | None = None) -> Calibration | None:
    """Fit anew for the searched embedding model on the questions of all collections, and judge with it from now on.

    `asked` is the highest share of answerable questions that may go unanswered (CLINCHAT_ABSTENTION). None, and the
    shipped default holds, when there are too few questions.
    """
    searched = EmbeddingIndex.objects.filter(state=EmbeddingIndex.State.ACTIVE).first()
    enough = searched is not None and all(there >= wanted for there, wanted in zip(questions(), ENOUGH, strict=True))
    if searched is None or not enough:
        with transaction.atomic():
            Calibration.objects.filter(active=True).update(active=False)
            transaction.on_commit(forget)
        forget()
        return None
    risk = settings.CLINCHAT_ABSTENTION / 100 if asked is None else asked
    fitted, tested = _halves()
    weights = abstain.fit([row for row, _ in fitted], [answerable for _, answerable in fitted])
    within = [Judged(abstain.probability(weights, row), answerable) for row, answerable in fitted]
    beyond = [Judged(abstain.probability(weights, row), answerable) for row, answerable in tested]
    made = Calibration(
        model=searched.model,
        active=True,
        asked=risk,
        weights=dict(weights),
        threshold=threshold(within, asked=risk),
        curve=curve(beyond),
        figures=figures(within, beyond),
        release=release,
    )
    with transaction.atomic():
        EmbeddingIndex.objects.select_for_update(no_key=True).get(pk=searched.pk)  # two fits come one after the other
        Calibration.objects.filter(active=True).update(active=False)
        made.save()
        transaction.on_commit(forget)
    forget()
    logger.info("abstention is fitted on %s questions", len(fitted))
    return made


def follow(release_id: UUID) -> None:
    """What a release brings with it: the threshold is fitted anew, and the collection measured as it stands now.

    A later release does it for this one as well; one of another collection fits, but does not measure this one.
    """
    from chat import gate

    release = Release.objects.select_related("collection").filter(pk=release_id).first()
    if release is None or release.published_at is None:
        return
    later = Release.objects.filter(state=Release.State.PUBLISHED, published_at__gt=release.published_at)
    if not later.exists():
        refit(release=release)
    if not later.filter(collection=release.collection_id).exists():
        gate.evaluate_if_any(release.collection_id)


def _halves() -> tuple[list[tuple[Mapping[str, float], bool]], list[tuple[Mapping[str, float], bool]]]:
    """Features and answerability of every question, in two halves that do not depend on when it was added."""
    from chat import gate

    halves: tuple[list[tuple[Mapping[str, float], bool]], ...] = ([], [])
    for collection in Collection.objects.filter(live_chunks__gt=0).order_by("slug"):
        for question in collection.questions.all():
            _, found = gate.ask(question, collection)
            row = abstain.features(found.understood, found.passages)
            half = hashlib.sha256(f"{collection.slug} {question.external_id}".encode()).digest()[0] % 2
            halves[half].append((row, bool(question.relevant)))
    return halves[0], halves[1]


# ── Judging a fit ────────────────────────────────────────────────────────────────────────────────────────────────


def threshold(judged: Sequence[Judged], *, asked: float) -> float:
    """The highest threshold that leaves at most the share `asked` of the answerable questions unanswered."""
    answerable = sorted(one.probability for one in judged if one.answerable)
    return answerable[int(asked * len(answerable))] if answerable else 0.0


def curve(judged: Sequence[Judged]) -> list[dict[str, float]]:
    """By threshold: the share of the answerable that is answered, and of the unanswerable that is answered too."""
    every = sorted({one.probability for one in judged})
    step = max(1, len(every) // POINTS)
    places = sorted({0.0, *every[::step], *every[-1:]})
    return [
        {
            "threshold": round(at, 4),
            "answered": round(_share(judged, at, answerable=True), 4),
            "false": round(_share(judged, at, answerable=False), 4),
        }
        for at in places
    ]


def figures(within: Sequence[Judged], beyond: Sequence[Judged]) -> dict[str, float]:
    """How many questions of each kind, and how well the probabilities of the half not fitted on hold."""
    return {
        "fitted": len(within),
        "fitted_unanswerable": sum(not one.answerable for one in within),
        "tested": len(beyond),
        "tested_unanswerable": sum(not one.answerable for one in beyond),
        "auroc": round(auroc(beyond), 4),
        "ece": round(calibration_error(beyond), 4),
        "coverage_5": round(coverage(beyond, false=0.05), 4),
        "coverage_10": round(coverage(beyond, false=0.10), 4),
    }


def auroc(judged: Sequence[Judged]) -> float:
    """How often an answerable question seems more probable than an unanswerable one; ties count half."""
    yes = [one.probability for one in judged if one.answerable]
    no = [one.probability for one in judged if not one.answerable]
    if not yes or not no:
        return 0.0
    return sum((y > n) + (y == n) / 2 for y in yes for n in no) / (len(yes) * len(no))


def calibration_error(judged: Sequence[Judged]) -> float:
    """Expected calibration error over ten bins of equal width (Naeini et al. 2015)."""
    bins: list[list[Judged]] = [[] for _ in range(BINS)]
    for one in judged:
        bins[min(int(one.probability * BINS), BINS - 1)].append(one)
    gaps = (
        abs(sum(one.answerable for one in found) - sum(one.probability for one in found)) for found in bins if found
    )
    return sum(gaps) / len(judged) if judged else 0.0


def coverage(judged: Sequence[Judged], *, false: float) -> float:
    """Share of the answerable that is answered when at most the share `false` of the unanswerable is answered too."""
    unanswerable = sorted((one.probability for one in judged if not one.answerable), reverse=True)
    if not unanswerable:
        return 0.0
    allowed = int(false * len(unanswerable))
    above = unanswerable[allowed]
    yes = [one.probability for one in judged if one.answerable]
    return sum(one > above for one in yes) / len(yes) if yes else 0.0


def _share(judged: Sequence[Judged], at: float, *, answerable: bool) -> float:
    kind = [one.probability for one in judged if one.answerable is answerable]
    return sum(one >= at for one in kind) / len(kind) if kind else 0.0
