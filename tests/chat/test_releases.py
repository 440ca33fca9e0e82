"""What is searched changes by releases: in one step, with a manifest, a way back, and a past that can be asked."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections

from chat import releases
from chat.corpus import vectors
from chat.corpus.ingest import ingest
from chat.llm import encoders
from chat.models import (
    Chunk,
    Collection,
    Document,
    DocumentVersion,
    LabelledQuestion,
    Listing,
    Posting,
    Release,
    ReleaseChange,
    Vector,
)
from chat.pipeline.retrieve import embed, retrieve
from chat.pipeline.types import Question, Reader
from clinchat.lib import clock
from compliance.models import AuditEvent
from tests import cast
from tests.chat import shelf
from tests.chat.shelf import current, load, source
from tests.chat.test_worker import together
from tests.processes import until

pytestmark = pytest.mark.django_db

Status = DocumentVersion.Status
State = Release.State


@pytest.fixture
def collection() -> Collection:
    return shelf.collection()


def manifest(collection: Collection) -> dict[str, int]:
    """What is searched: the number of the version by external id."""
    found = Listing.objects.filter(document__collection=collection, until=None)
    return dict(found.values_list("document__external_id", "version__number"))


def searched(collection: Collection) -> set[str]:
    """The texts that are searched, as each place that says so has it."""
    live = set(Chunk.objects.filter(collection=collection, live=True).values_list("text", flat=True))
    for same in (
        Vector.objects.filter(collection=collection, live=True).values_list("chunk__text", flat=True),
        Posting.objects.filter(chunk__collection=collection, live=True).values_list("chunk__text", flat=True),
        DocumentVersion.objects.filter(document__collection=collection, status=Status.PUBLISHED).values_list(
            "text", flat=True
        ),
        Listing.objects.filter(document__collection=collection, until=None).values_list("version__text", flat=True),
    ):
        assert set(same) == live
    return live


def withdraw(*numbers: int) -> list[Release]:
    documents = Document.objects.filter(external_id__in=[f"doc-{n}" for n in numbers])
    return releases.withdraw(documents=documents, reason="Recalled", by=cast.dora())


def back(to: Release, **options: bool) -> Release:
    return releases.roll_back(to=to, reason="A mistake", by=cast.dora(), **options)


def newest(collection: Collection) -> Release:
    return collection.releases.filter(state=State.PUBLISHED).latest("number")


# ── Publishing ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_release_has_a_manifest_that_can_be_computed_again(collection: Collection) -> None:
    load(collection, source("Once daily."), source("Twice daily.", 2))
    load(collection, source("Three times daily."))
    first, second = collection.releases.order_by("number")
    assert (first.number, second.number, second.documents) == (1, 2, 2)
    lines = []
    for external_id, number, text in [("doc-1", 2, "Three times daily."), ("doc-2", 1, "Twice daily.")]:
        lines.append(f"{external_id} {number} {hashlib.sha256(text.encode()).hexdigest()}\n")
    assert second.manifest_sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert first.manifest_sha256 != second.manifest_sha256
    versions = DocumentVersion.objects.in_bulk()
    assert {versions[v].text for v in releases.manifest(first).values()} == {"Once daily.", "Twice daily."}
    assert {versions[v].text for v in releases.manifest(second).values()} == {"Three times daily.", "Twice daily."}
    assert searched(collection) == {"Three times daily.", "Twice daily."}
    assert AuditEvent.objects.filter(object_type="chat.Release", object_id=str(second.pk)).exists()


def test_until_every_passage_is_embedded_nothing_changes(collection: Collection) -> None:
    load(collection, source("Once daily."))
    report = ingest(sources=[source("Twice daily."), source("At night.", 2)], collection=collection)
    assert report.release
    with pytest.raises(releases.NotReady) as refused:
        releases.publish(release=report.release, by=None)
    assert refused.value.waiting == 2
    assert searched(collection) == {"Once daily."}
    report.release.refresh_from_db()
    assert (report.release.state, report.release.number) == (State.CANDIDATE, None)


def test_a_failure_in_the_middle_leaves_everything_as_it_was(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(collection, source("Once daily."))
    before = (manifest(collection), newest(collection).manifest_sha256)
    ingest(sources=[source("Twice daily.")], collection=collection)
    vectors.fill_all()

    def fails(**_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("chat.changed_sources.tell", fails)
    with pytest.raises(KeyboardInterrupt):
        releases.publish(release=Release.objects.get(state=State.CANDIDATE), by=None)
    assert (manifest(collection), newest(collection).manifest_sha256) == before
    assert searched(collection) == {"Once daily."}


def test_a_release_that_was_published_is_over(collection: Collection) -> None:
    load(collection, source("Once daily."))
    with pytest.raises(releases.Over):
        releases.publish(release=newest(collection), by=None)
    assert searched(collection) == {"Once daily."}


def test_replacing_one_of_many_embeds_what_changed_and_nothing_else(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    unchanged = "# Uses\n\nIt lowers the blood pressure.\n\n# Dosing\n\n"
    load(collection, *(source(f"{unchanged}Drug {n}: once daily.", n, format="markdown") for n in range(20)))
    encoder, embedded = type(encoders.configured()), []
    real = encoder.embed_passages

    def listens(self: Any, texts: Any) -> Any:
        embedded.extend(texts)
        return real(self, texts)

    monkeypatch.setattr(encoder, "embed_passages", listens)
    load(
        collection,
        *(
            source(f"{unchanged}Drug {n}: {'twice' if n == 7 else 'once'} daily.", n, format="markdown")
            for n in range(20)
        ),
    )
    assert [text.split(". ", 1)[1] for text in embedded] == ["Drug 7: twice daily."]
    assert manifest(collection)["doc-7"] == 2
    assert newest(collection).documents == 20


def test_what_the_gate_refused_is_taken_back_and_not_judged_again_until_it_changes(collection: Collection) -> None:
    dose, other = "The dose of warfarin is one tablet.", "Insulin is given under the skin."
    load(collection, source(dose), source(other, 2))
    asked = {"external_id": "q1", "text": "What is the dose of warfarin?", "relevant": {"doc-1": 3}}
    LabelledQuestion.objects.create(collection=collection, **asked)
    load(collection, source("Bandages are white."))
    load(collection, source("Bandages are white."))
    release = Release.objects.get(state=State.CANDIDATE)
    assert release.evaluations.get().fallen, "judged once, and the comparison is kept"
    assert searched(collection) == {dose, other}
    load(collection, source("At night.", 3))
    assert release.evaluations.count() == 2, "something was added"
    with pytest.raises(releases.Fallen) as refused:
        releases.publish(release=release, by=cast.dora())
    assert refused.value.evaluation.release == release
    assert searched(collection) == {dose, other}
    collection.questions.all().delete()
    releases.publish(release=release, by=cast.dora())
    assert searched(collection) == {"Bandages are white.", other, "At night."}


# ── Withdrawing and going back ───────────────────────────────────────────────────────────────────────────────────


def test_a_withdrawn_document_is_found_no_more_and_its_past_stays(collection: Collection) -> None:
    load(collection, source("Once daily."), source("Twice daily.", 2))
    postings = Posting.objects.count()
    (release,) = withdraw(1)
    assert searched(collection) == {"Twice daily."}
    assert (release.kind, release.number, release.documents, release.reason) == ("withdrawal", 2, 1, "Recalled")
    version = DocumentVersion.objects.get(text="Once daily.")
    assert (version.status, version.ended_at) == (Status.WITHDRAWN, release.published_at)
    assert Posting.objects.count() == postings, "a question as of yesterday needs them"
    with pytest.raises(releases.Over):
        withdraw(1)


def test_one_withdrawal_reaches_every_collection(collection: Collection) -> None:
    other = shelf.collection("other")
    load(collection, source("Once daily."), source("Twice daily.", 2))
    load(other, source("At night."))
    assert {release.collection_id for release in withdraw(1)} == {collection.pk, other.pk}
    assert searched(other) == set()
    assert searched(collection) == {"Twice daily."}


def test_going_back_searches_exactly_what_was_searched(collection: Collection) -> None:
    load(collection, source("Once daily."), source("Twice daily.", 2))
    first = newest(collection)
    load(collection, source("Three times daily."), source("At night.", 3))
    second = newest(collection)
    release = back(first)
    assert (release.kind, release.restores, release.number) == ("rollback", first, 3)
    assert release.manifest_sha256 == first.manifest_sha256
    assert searched(collection) == {"Once daily.", "Twice daily."}
    assert current(1).ended_at is None
    with pytest.raises(releases.Over):
        back(first)
    assert back(second).manifest_sha256 == second.manifest_sha256, "and forward again"
    assert searched(collection) == {"Three times daily.", "Twice daily.", "At night."}


def test_going_back_does_not_bring_back_what_was_withdrawn(collection: Collection) -> None:
    load(collection, source("Once daily."), source("Twice daily.", 2))
    first = newest(collection)
    load(collection, source("Three times daily."))
    withdraw(2)
    back(first)
    assert searched(collection) == {"Once daily."}
    assert back(first, withdrawn_too=True).manifest_sha256 == first.manifest_sha256


def test_a_document_that_came_back_after_its_withdrawal_stays(collection: Collection) -> None:
    load(collection, source("Once daily."), source("Twice daily.", 2))
    withdraw(1)
    load(collection, source("Once daily, with food."))
    there = newest(collection)
    load(collection, source("Three times daily.", 2))
    back(there)
    assert searched(collection) == {"Once daily, with food.", "Twice daily."}


def test_after_another_embedding_model_the_past_is_embedded_before_going_back(collection: Collection) -> None:
    load(collection, source("Once daily."))
    first = newest(collection)
    load(collection, source("Twice daily."))
    Vector.objects.filter(live=False).delete()  # as in the index of a model that was built for what is searched
    with pytest.raises(releases.NotReady):
        back(first)
    assert searched(collection) == {"Twice daily."}
    releases.embed_waiting()
    back(first)
    assert searched(collection) == {"Once daily."}


# ── The past ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set the clock to a day of 2026."""

    def to(day: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: day)

    return to


def day(month: int, number: int = 1) -> datetime:
    return datetime(2026, month, number, 12, tzinfo=UTC)


def test_any_date_can_be_asked_what_was_searched(collection: Collection, at: Any) -> None:
    at(day(1))
    load(collection, source("January."), source("Always.", 2))
    at(day(3))
    load(collection, source("March."))
    at(day(5))
    withdraw(1)
    at(day(7))
    load(collection, source("July."))
    for moment, texts in [
        (day(1) - timedelta(microseconds=1), set()),
        (day(1), {"January.", "Always."}),
        (day(3) - timedelta(microseconds=1), {"January.", "Always."}),
        (day(3), {"March.", "Always."}),
        (day(4, 17), {"March.", "Always."}),
        (day(6), {"Always."}),
        (day(8), {"July.", "Always."}),
    ]:
        assert set(DocumentVersion.objects.as_of(moment).values_list("text", flat=True)) == texts
        assert set(Listing.objects.as_of(moment).values_list("version__text", flat=True)) == texts


def test_a_clock_that_was_set_back_does_not_mix_two_releases(collection: Collection, at: Any) -> None:
    at(day(3))
    load(collection, source("First."))
    at(day(2))
    load(collection, source("Second."))
    first, second = collection.releases.order_by("number")
    assert first.published_at
    assert second.published_at
    assert first.published_at < second.published_at
    assert [v.text for v in DocumentVersion.objects.as_of(first.published_at)] == ["First."]
    assert [v.text for v in DocumentVersion.objects.as_of(second.published_at)] == ["Second."]


# ── At once ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def shared(transactional_db: None) -> Collection:
    return shelf.collection()


def test_of_two_publishers_at_once_one_publishes(shared: Collection) -> None:
    ingest(sources=[source(f"Drug {n}.", n) for n in range(5)], collection=shared)
    vectors.fill_all()
    release = Release.objects.get()
    results = together(lambda _: releases.publish(release=release, by=None).number, 4)
    assert sorted(map(str, results)) == sorted(map(str, [1, *[releases.Over] * 3]))
    assert Listing.objects.count() == 5
    assert len(searched(shared)) == 5


def test_two_withdrawals_at_once_are_one_release(shared: Collection) -> None:
    load(shared, source("Once daily."))
    by, documents = cast.dora(), list(Document.objects.all())
    results = together(lambda _: len(releases.withdraw(documents=documents, reason="Recalled", by=by)), 3)
    assert sorted(map(str, results)) == sorted(map(str, [1, *[releases.Over] * 2]))
    assert newest(shared).number == 2


@pytest.fixture
def asking(shared: Collection) -> Iterator[list[object]]:
    """Somebody asks all the time, from another thread; what each question found, or how it failed."""
    load(shared, source("The dose of warfarin is one tablet."), source("Something about insulin.", 2))
    found: list[object] = []
    over = threading.Event()

    def ask() -> None:
        question = Question("What is the dose of warfarin?", Reader((shared.pk,), everything=True))
        try:
            vector = embed(question.text)
            while not over.is_set():
                texts = {passage.text for passage in retrieve(question, vector)}
                found.append(frozenset(text for text in texts if "warfarin" in text))
        except Exception as error:  # noqa: BLE001  # what the test must not see
            found.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=ask)
    thread.start()
    until(lambda: bool(found), "nobody asks")
    yield found
    over.set()
    thread.join()


def asked_again(found: list[object]) -> None:
    """Wait until a question was asked and answered from here on: the next one may have been on its way."""
    before = len(found)
    until(lambda: len(found) > before + 1 or isinstance(found[-1], Exception), "nobody asks any more")


def test_a_question_asked_while_a_release_is_published_sees_one_version(
    shared: Collection, asking: list[object]
) -> None:
    doses = ["two", "three", "four", "five"]
    for dose in doses:
        load(shared, source(f"The dose of warfarin is {dose} tablets."), *(source(dose, n) for n in range(3, 9)))
        asked_again(asking)
    seen, wanted = list(asking), {"one tablet", *(f"{dose} tablets" for dose in doses)}
    assert set(seen) == {frozenset({f"The dose of warfarin is {dose}."}) for dose in wanted}


def test_what_is_added_while_a_release_is_published_is_in_the_next_one(shared: Collection) -> None:
    """An import and a publisher meet on the collection; no change ends in a release that was published before it."""
    ingest(sources=[source("Drug 0.", 0)], collection=shared)
    vectors.fill_all()

    def work(number: int) -> object:
        if number:
            return ingest(sources=[source(f"Drug {number}.", number)], collection=shared).new
        return releases.publish(release=Release.objects.get(state=State.CANDIDATE), by=None).number

    results = together(work, 4)
    assert all(one in {1, releases.NotReady} for one in results)
    releases.embed_waiting()
    assert len(searched(shared)) == 4
    for change in ReleaseChange.objects.select_related("release"):
        assert change.release.state == State.PUBLISHED
        assert Listing.objects.filter(version=change.version_id, since=change.release).exists()
