"""When ClinChat answers: fitted on one half of the labeled questions, reported on the other, switched in one step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from chat import calibration, gate, releases, tasks
from chat.calibration import Judged
from chat.corpus import vectors
from chat.models import Calibration, Collection, Evaluation, LabelledQuestion, Release
from chat.pipeline import abstain, search
from chat.pipeline.types import Question, Reader
from tests.chat import labelled

pytestmark = pytest.mark.django_db
ASKED = (
    "What is the usual dose of brevoxil for migraine",
    "When is carduline stopped before an operation",
    "When is serum potassium checked after denopril",
    "Is etorazol given in pregnancy",
)
ELSEWHERE = ("Where does the harbor bus stop", "How is a violin tuned", "Who painted the town hall")


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    calibration.forget()
    yield
    calibration.forget()


@pytest.fixture
def collection(db: None) -> Collection:
    return labelled.drugs()


def ask_many(collection: Collection, answerable: int = 48, unanswerable: int = 18) -> None:
    """Without masking each of them, which has its own tests."""
    relevant = list(labelled.DRUGS)
    made = [(f"yes-{n}", f"{ASKED[n % 4]}, on day {n}?", {relevant[n % 4]: 2}) for n in range(answerable)]
    made += [(f"no-{n}", f"{ELSEWHERE[n % 3]}, on day {n}?", {}) for n in range(unanswerable)]
    collection.questions.bulk_create(
        LabelledQuestion(collection=collection, external_id=name, text=text, relevant=documents)
        for name, text, documents in made
    )


# ── Figures ──────────────────────────────────────────────────────────────────────────────────────────────────────

SAMPLE = [Judged(p, True) for p in (0.9, 0.8, 0.7, 0.4)] + [Judged(p, False) for p in (0.6, 0.3, 0.2, 0.1, 0.0)]


@pytest.mark.parametrize(("asked", "expected"), [(0.0, 0.4), (0.24, 0.4), (0.25, 0.7), (0.5, 0.8)])
def test_no_more_of_the_answerable_go_unanswered_than_asked(asked: float, expected: float) -> None:
    found = calibration.threshold(SAMPLE, asked=asked)
    assert found == expected
    unanswered = sum(one.probability < found for one in SAMPLE if one.answerable)
    assert unanswered <= asked * 4


def test_figures_are_those_one_counts_by_hand() -> None:
    assert calibration.auroc(SAMPLE) == 19 / 20
    assert calibration.auroc([Judged(0.5, True), Judged(0.5, False)]) == 0.5
    assert calibration.coverage(SAMPLE, false=0.0) == 0.75
    assert calibration.coverage(SAMPLE, false=0.2) == 1.0
    sure = [Judged(0.95, True)] * 19 + [Judged(0.95, False)]
    assert calibration.calibration_error(sure) == pytest.approx(0.0)
    assert calibration.calibration_error([Judged(0.95, False)] * 10) == pytest.approx(0.95)
    assert calibration.calibration_error([Judged(0.1, False), Judged(0.9, True)]) == pytest.approx(0.1)
    nobody: list[Judged] = []
    assert (calibration.auroc(nobody), calibration.calibration_error(nobody)) == (0.0, 0.0)


def test_the_curve_goes_from_answering_everything_to_answering_the_surest() -> None:
    points = calibration.curve(SAMPLE)
    assert points[0] == {"threshold": 0.0, "answered": 1.0, "false": 1.0}
    assert points[-1] == {"threshold": 0.9, "answered": 0.25, "false": 0.0}
    assert {"threshold": 0.6, "answered": 0.75, "false": 0.2} in points
    for key in ("answered", "false"):
        shares = [point[key] for point in points]
        assert shares == sorted(shares, reverse=True)
    many = [Judged(n / 1000, n % 3 > 0) for n in range(1000)]
    assert 50 <= len(calibration.curve(many)) <= 53


# ── Fitting ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("answerable", "unanswerable"), [(0, 0), (50, 9), (40, 14), (90, 14)])
def test_with_too_few_questions_what_clinchat_comes_with_holds(
    collection: Collection, answerable: int, unanswerable: int
) -> None:
    ask_many(collection, answerable, unanswerable)
    assert calibration.refit() is None
    assert not Calibration.objects.exists()
    model = vectors.active().model
    assert calibration.current(model).shipped
    assert calibration.current(model).threshold == abstain.shipped(model)[1]


def test_half_of_the_questions_are_fitted_on_and_the_others_reported(collection: Collection, settings: Any) -> None:
    ask_many(collection)
    settings.CLINCHAT_ABSTENTION = 10
    made = calibration.refit()
    assert made is not None
    figures = made.figures
    assert figures["fitted"] + figures["tested"] == 66
    assert abs(figures["fitted"] - figures["tested"]) < 25
    assert figures["fitted_unanswerable"] + figures["tested_unanswerable"] == 18
    assert figures["auroc"] > 0.95, "nothing is easier to tell apart than these"
    assert (made.asked, made.model, made.active) == (0.10, vectors.active().model, True)
    assert set(made.weights) == {"intercept", *abstain.SIGNALS}
    assert made.curve[0]["answered"] == 1.0


def test_from_then_on_it_is_judged_by_it(collection: Collection) -> None:
    ask_many(collection)
    model = vectors.active().model
    before = calibration.current(model)
    made = calibration.refit()
    assert made is not None
    now = calibration.current(model)
    assert (now.key, now.threshold, now.shipped) == (str(made.pk), made.threshold, False)
    assert now.key != before.key
    for text, answered in ((f"{ASKED[0]}?", True), (f"{ELSEWHERE[1]}?", False)):
        found = search.search(Question(text, Reader((collection.pk,), everything=True)))
        assert found.judged().answered is answered, text


def test_a_later_fit_takes_its_place_in_one_step(collection: Collection) -> None:
    ask_many(collection)
    first, second = calibration.refit(asked=0.05), calibration.refit(asked=0.2)
    assert first is not None
    assert second is not None
    assert list(Calibration.objects.filter(active=True)) == [second]
    assert Calibration.objects.count() == 2
    assert second.threshold >= first.threshold
    collection.questions.all().delete()
    assert calibration.refit() is None
    assert calibration.current(vectors.active().model).shipped


def test_it_holds_for_the_model_it_was_fitted_for_alone(collection: Collection) -> None:
    ask_many(collection)
    assert calibration.refit() is not None
    assert calibration.current("another model").shipped


def test_a_worker_takes_it_up_within_seconds(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    model = vectors.active().model
    monkeypatch.setattr(calibration, "FRESH_SECONDS", float("inf"))
    assert calibration.current(model).shipped
    made = Calibration.objects.create(
        model=model, active=True, asked=0.05, weights={"intercept": 0.0}, threshold=0.5, curve=[], figures={}
    )
    assert calibration.current(model).shipped, "it was read a moment ago"
    monkeypatch.setattr(calibration, "FRESH_SECONDS", 0.0)
    assert calibration.current(model).key == str(made.pk)


# ── After a release ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(tasks.follow_release, "delay", found.append)
    return found


def test_every_release_has_the_worker_follow_it(
    db: None, sent: list[str], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        collection = labelled.drugs()
    release = Release.objects.get(collection=collection)
    assert sent == [str(release.pk)]


def test_the_worker_fits_and_measures_the_newest_release_alone(collection: Collection) -> None:
    labelled.load(collection, labelled.source("brevoxil", labelled.DRUGS["brevoxil"] + " Take it with water."))
    ask_many(collection)
    first, second = Release.objects.order_by("number")
    calibration.follow(first.pk)
    assert not Calibration.objects.exists()
    calibration.follow(second.pk)
    made, measured = Calibration.objects.get(), Evaluation.objects.get()
    assert (made.release, measured.release) == (second, None)
    assert gate.before(collection=collection) == measured, "the next release is compared with it at once"


def test_a_later_release_of_another_collection_fits_but_does_not_measure_this_one(collection: Collection) -> None:
    ask_many(collection)
    release = Release.objects.get()
    other = Collection.objects.create(slug="others", name="Others")
    labelled.load(other, labelled.source("brevoxil", labelled.DRUGS["brevoxil"]))
    calibration.follow(release.pk)
    assert not Calibration.objects.exists()
    assert Evaluation.objects.get().collection == collection


def test_a_release_that_is_gone_or_not_published_is_nothing_to_follow(collection: Collection) -> None:
    calibration.follow(uuid4())
    waiting = releases.candidate(collection=collection, kind=Release.Kind.EDITED, by=None)
    calibration.follow(UUID(str(waiting.pk)))
    assert not Evaluation.objects.exists()
