"""A draft on its way to its readers: described, looked through, reviewed by a second person, approved or given up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from chat import drafts, releases, shelving, uploads
from chat.corpus import ingest, vectors
from chat.models import Chunk, Collection, DocumentVersion, Finding, Release, Upload
from compliance.access import Role
from compliance.models import AuditEvent, Clearance, Notice, User
from tests import cast
from tests.chat import shelf
from tests.chat.shelf import current, load, source
from tests.chat.test_worker import together
from tests.factories import make_user

pytestmark = pytest.mark.django_db

Status = DocumentVersion.Status
COMPLETE: dict[str, Any] = {
    "title": "Warfarin",
    "kind": "monograph",
    "owner": "Pharmacy",
    "source": "Written here",
    "licence": "Ours",
    "effective_from": date(2026, 1, 1),
    "review_by": date(2999, 1, 1),
}
PATIENT = "Mr. Delacroix, MRN 88231904, was given it."


@pytest.fixture
def collection() -> Collection:
    return shelf.collection()


def made(into: Collection, text: str = "Once daily.", number: int = 1, by: User | None = None) -> DocumentVersion:
    """A draft as an upload makes one."""
    content, by = text.encode(), by or cast.edith()
    upload = uploads.receive(by=by, collection=into, name=f"doc-{number}.txt", content=content)
    uploads.read(upload.pk)
    read = Upload.objects.get(pk=upload.pk)
    assert not read.problems, read.problems
    return read.drafts.get()


def described(draft: DocumentVersion, **fields: Any) -> DocumentVersion:
    return drafts.describe(draft=draft, by=cast.edith(), revision=draft.revision, fields=COMPLETE | fields)


def submitted(draft: DocumentVersion, by: User | None = None) -> DocumentVersion:
    whole = described(draft)
    return drafts.submit(draft=whole, by=by or cast.edith(), revision=whole.revision)


def approved(draft: DocumentVersion) -> DocumentVersion:
    return drafts.decide(draft=submitted(draft), by=cast.dora(), approve=True)


def told(user: User) -> list[str]:
    return list(Notice.objects.filter(user=user).order_by("created_at").values_list("text", flat=True))


# ── Describing ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_of_two_editors_the_second_is_told_and_overwrites_nothing(collection: Collection) -> None:
    seen_by_both = made(collection)
    first = described(seen_by_both, title="The first")
    with pytest.raises(drafts.Stale) as refused:
        described(seen_by_both, title="The second")
    assert (refused.value.current.title, refused.value.current.revision) == ("The first", first.revision)
    assert DocumentVersion.objects.get().title == "The first"
    assert described(refused.value.current, title="The second").title == "The second"


def test_of_two_editors_at_the_same_moment_one_is_told(transactional_db: None) -> None:
    draft, edith = made(shelf.collection()), cast.edith()

    def describe(number: int) -> object:
        fields = {"title": f"By {number}"}
        return drafts.describe(draft=draft, by=edith, revision=0, fields=fields).revision

    assert sorted(map(str, together(describe, 3))) == sorted(map(str, [1, drafts.Stale, drafts.Stale]))


def test_only_what_is_said_of_a_draft_can_be_changed(collection: Collection) -> None:
    draft = made(collection)
    for field in ("text", "status", "decided_by", "created_by", "reviewed", "sha256"):
        with pytest.raises(ValueError, match=field):
            drafts.describe(draft=draft, by=cast.edith(), revision=0, fields={field: "x"})


def test_a_new_document_can_get_another_id_and_one_with_a_past_cannot(collection: Collection) -> None:
    load(collection, source("Once daily."))
    fresh = made(collection, number=2)
    assert described(fresh, external_id="w-17").document.external_id == "w-17"
    fresh.refresh_from_db()
    with pytest.raises(drafts.Taken):
        described(fresh, external_id="doc-1")
    fresh.refresh_from_db()
    assert fresh.document.external_id == "w-17"
    with pytest.raises(drafts.Taken):
        described(made(collection, "Twice daily."), external_id="doc-3")


@pytest.mark.parametrize("status", [Status.IN_REVIEW, Status.APPROVED, Status.PUBLISHED, Status.DISCARDED])
def test_what_is_no_draft_is_not_edited(collection: Collection, status: str) -> None:
    draft = made(collection, PATIENT)
    DocumentVersion.objects.update(status=status)
    for act in (
        lambda: described(draft),
        lambda: drafts.submit(draft=draft, by=cast.edith(), revision=0),
        lambda: drafts.settle(finding=draft.findings.all()[0], by=cast.edith()),
    ):
        with pytest.raises(drafts.NotDraft):
            act()
    assert not draft.findings.exclude(settled_at=None).exists()


# ── To review ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_a_draft_lacks_is_named(collection: Collection) -> None:
    draft = made(collection)
    with pytest.raises(drafts.Incomplete) as refused:
        drafts.submit(draft=draft, by=cast.edith(), revision=0)
    assert refused.value.fields == ("owner", "source", "licence", "effective_from", "review_by")
    past = described(draft, review_by=date(2020, 1, 1))
    with pytest.raises(drafts.Incomplete) as refused:
        drafts.submit(draft=past, by=cast.edith(), revision=past.revision)
    assert refused.value.fields == ("review_by",)


def test_every_finding_is_looked_at_first(collection: Collection) -> None:
    draft = described(made(collection, PATIENT))
    findings = list(draft.findings.all())
    assert len(findings) >= 2
    with pytest.raises(drafts.Unsettled) as refused:
        drafts.submit(draft=draft, by=cast.edith(), revision=draft.revision)
    assert refused.value.count == len(findings)
    for finding in findings:
        drafts.settle(finding=finding, by=cast.edith())
        drafts.settle(finding=finding, by=cast.ada())
    assert set(draft.findings.values_list("settled_by", flat=True)) == {cast.edith().pk}, "the first stays"
    assert drafts.submit(draft=draft, by=cast.edith(), revision=draft.revision).status == Status.IN_REVIEW


def test_those_who_may_decide_are_told_and_nobody_else(collection: Collection) -> None:
    dora = cast.dora()
    uncleared = make_user(roles=[Role.DEPARTMENT_HEAD])
    elsewhere = make_user(roles=[Role.DEPARTMENT_HEAD], cleared=True, department="Surgery")
    gone = make_user(roles=[Role.DEPARTMENT_HEAD], cleared=True, is_active=False)
    collection.departments = [dora.department]
    collection.save()
    others = {uncleared, elsewhere, gone, cast.alice(), cast.edith()}
    draft = submitted(made(collection, by=make_editor(dora.department)))
    assert drafts.reviewers(draft) == [dora]
    assert told(dora) == ["Edith Ekholm sent “Warfarin” to review."]
    assert not Notice.objects.filter(user__in=others).exists()
    Clearance.objects.filter(user=dora).delete()
    assert drafts.reviewers(draft) == []


def make_editor(department: str = "", *more: Role) -> User:
    return make_user(roles=[Role.KNOWLEDGE_EDITOR, *more], department=department)


def test_a_draft_that_was_changed_since_is_not_sent(collection: Collection) -> None:
    seen = described(made(collection))
    described(seen, title="Another")
    with pytest.raises(drafts.Stale):
        drafts.submit(draft=seen, by=cast.edith(), revision=seen.revision)
    assert DocumentVersion.objects.get().status == Status.DRAFT


# ── The decision ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_nobody_reviews_their_own_work(collection: Collection) -> None:
    dora, both = cast.dora(), make_user(roles=[Role.KNOWLEDGE_EDITOR, Role.DEPARTMENT_HEAD], cleared=True)
    for mine in (submitted(made(collection, by=both)), submitted(made(collection, number=2), by=both)):
        with pytest.raises(drafts.OwnWork):
            drafts.decide(draft=mine, by=both, approve=True)
        assert both not in drafts.reviewers(mine)
        assert AuditEvent.objects.filter(object_id=str(mine.pk), detail__step="second person").exists()
        with pytest.raises(IntegrityError), transaction.atomic():
            DocumentVersion.objects.filter(pk=mine.pk).update(decided_by=both)
        assert drafts.decide(draft=mine, by=dora, approve=True).decided_by == dora


def test_what_is_approved_waits_embedded_for_its_release(
    collection: Collection, django_capture_on_commit_callbacks: Any
) -> None:
    load(collection, source("Once daily."))
    draft = submitted(made(collection, "Twice daily."))
    assert not draft.chunks.exists()
    with django_capture_on_commit_callbacks() as queued:
        done = drafts.decide(draft=draft, by=cast.dora(), approve=True, note="Fine")
    assert len(queued) == 1
    assert (done.status, done.decided_by, done.decision_note) == (Status.APPROVED, cast.dora(), "Fine")
    assert done.reviewed, "that day"
    release = Release.objects.get(kind=Release.Kind.EDITED)
    assert (release.state, release.changes.get().version) == (Release.State.CANDIDATE, done)
    with pytest.raises(releases.NotReady):
        releases.publish(release=release, by=cast.edith())
    releases.embed_waiting()
    assert current().text == "Once daily.", "nobody has published it"
    releases.publish(release=release, by=cast.edith())
    assert (current(), current().decided_by) == (done, cast.dora())
    assert told(cast.edith()) == ["Dora Diaz approved “Warfarin”. It is searched once its release is published."]


def test_what_comes_back_has_a_note_and_can_be_sent_again(collection: Collection) -> None:
    back = drafts.decide(draft=submitted(made(collection)), by=cast.dora(), approve=False, note="Name the source.")
    assert (back.status, back.decided_by, back.decision_note) == (Status.DRAFT, cast.dora(), "Name the source.")
    assert told(cast.edith()) == ["Dora Diaz sent “Warfarin” back to you with a note."]
    again = submitted(back)
    assert (again.status, again.decided_by, again.decision_note) == (Status.IN_REVIEW, None, "Name the source.")
    assert not Release.objects.exists()
    assert drafts.decide(draft=again, by=cast.dora(), approve=True).status == Status.APPROVED


def test_the_reviewer_decides_on_what_was_read_and_once(collection: Collection) -> None:
    read = submitted(made(collection))
    changed = submitted(drafts.decide(draft=read, by=cast.dora(), approve=False), by=cast.edith())
    with pytest.raises(drafts.Stale):
        drafts.decide(draft=read, by=cast.dora(), approve=True, revision=read.revision)
    drafts.decide(draft=changed, by=cast.dora(), approve=True, revision=changed.revision)
    with pytest.raises(drafts.NotInReview):
        drafts.decide(draft=changed, by=cast.dora(), approve=False)


def test_two_reviewers_at_once_decide_once(transactional_db: None) -> None:
    draft = submitted(made(shelf.collection()))
    other = make_user(roles=[Role.DEPARTMENT_HEAD], cleared=True)
    by = [cast.dora(), other]
    results = together(lambda n: str(drafts.decide(draft=draft, by=by[n], approve=True).status), 2)
    assert sorted(map(str, results)) == sorted(["approved", str(drafts.NotInReview)])
    assert Chunk.objects.count() == 1


def test_each_step_is_on_record(collection: Collection) -> None:
    draft = approved(made(collection))
    steps = AuditEvent.objects.filter(object_id=str(draft.pk), action="U", changes__has_key="status")
    assert [event.changes["status"] for event in steps.order_by("timestamp")] == [
        ["draft", "in_review"],
        ["in_review", "approved"],
    ]


# ── Giving up ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("way", [described, submitted, approved], ids=["draft", "in review", "approved"])
def test_an_open_version_can_be_given_up(collection: Collection, way: Callable[..., DocumentVersion]) -> None:
    draft = way(made(collection))
    releases.embed_waiting()
    drafts.discard(draft=draft, by=cast.edith())
    draft.refresh_from_db()
    assert draft.status == Status.DISCARDED
    assert not draft.chunks.exists()
    for release in Release.objects.all():
        with pytest.raises(releases.Over):
            releases.publish(release=release, by=cast.edith())
    assert made(collection, "Twice daily.").number == 2, "its id can be used again"


def test_what_is_searched_is_not_given_up_but_withdrawn(collection: Collection) -> None:
    load(collection, source("Once daily."))
    with pytest.raises(drafts.NotOpen):
        drafts.discard(draft=current(), by=cast.edith())


def test_whoever_made_it_is_told_when_somebody_else_gives_it_up(collection: Collection) -> None:
    draft = described(made(collection))
    drafts.discard(draft=draft, by=make_editor())
    (text,) = told(cast.edith())
    assert text.endswith("discarded version 1 of “Warfarin” before it was published.")


def test_given_up_and_published_at_once_is_one_of_the_two(transactional_db: None) -> None:
    draft, edith = approved(made(shelf.collection())), cast.edith()
    vectors.fill_all()
    release = Release.objects.get()
    acts: list[Callable[[], object]] = [
        lambda: drafts.discard(draft=draft, by=edith),
        lambda: releases.publish(release=release, by=edith).number,
    ]
    results = together(lambda n: acts[n](), 2)
    draft.refresh_from_db()
    if draft.status == Status.PUBLISHED:
        assert set(results) == {1, drafts.NotOpen}
        assert Chunk.objects.filter(live=True).count() == 1
    else:
        assert (draft.status, set(results)) == (Status.DISCARDED, {None, releases.Over})
        assert not Chunk.objects.exists()


def test_an_import_leaves_a_document_alone_that_somebody_edits(collection: Collection) -> None:
    load(collection, source("Once daily."), source("At night.", 2))
    draft = made(collection, "Twice daily.")
    report = ingest.ingest(sources=[source("Imported."), source("In the morning.", 2)], collection=collection)
    assert (report.edited, report.updated) == (1, 1)
    releases.embed_waiting()
    assert (current(1).text, current(2).text) == ("Once daily.", "In the morning.")
    draft.refresh_from_db()
    assert draft.status == Status.DRAFT


# ── Looking at it ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_preview_shows_what_changed(collection: Collection) -> None:
    kept = [f"Paragraph {n} stays." for n in range(6)]
    load(collection, source("\n\n".join([*kept, "Give one tablet.", "Last."])))
    draft = made(collection, "\n\n".join([*kept, "Give two tablets.", "- With food", "Last."]))
    assert [(line.kind, line.text, line.count) for line in drafts.difference(draft)] == [
        (drafts.LEFT_OUT, "", 5),
        (drafts.SAME, "Paragraph 5 stays.", 0),
        (drafts.REMOVED, "Give one tablet.", 0),
        (drafts.ADDED, "Give two tablets.", 0),
        (drafts.ADDED, "- With food", 0),
        (drafts.SAME, "Last.", 0),
    ]
    assert drafts.difference(made(collection, number=2)) == [], "a new document has nothing to compare with"


def test_a_current_text_can_be_reviewed_again(collection: Collection) -> None:
    load(collection, source(PATIENT, owner="Pharmacy", review_by=date(2026, 1, 1)))
    document = current().document
    draft = drafts.again(document=document, by=cast.edith())
    assert (draft.text, draft.number, draft.owner) == (PATIENT, 2, "Pharmacy")
    assert (draft.reviewed, draft.review_by) == (None, None)
    assert draft.findings.filter(settled_at=None).exists(), "an import was never looked through"
    with pytest.raises(drafts.InTheWay) as other:
        drafts.again(document=document, by=cast.edith())
    assert other.value.version == draft
    for finding in draft.findings.all():
        drafts.settle(finding=finding, by=cast.edith())
    approved(draft)
    releases.embed_waiting()
    releases.publish(release=Release.objects.get(kind=Release.Kind.EDITED), by=cast.edith())
    third = drafts.again(document=document, by=cast.edith())
    assert not third.findings.filter(settled_at=None).exists(), "somebody looked already"
    assert Finding.objects.filter(version=draft).count() == third.findings.count()
    releases.withdraw(documents=[document], reason="Recalled", by=cast.dora())
    drafts.discard(draft=third, by=cast.edith())
    with pytest.raises(drafts.NotOpen):
        drafts.again(document=document, by=cast.edith())


def test_a_long_title_is_cut_in_sentences(collection: Collection) -> None:
    dora, draft = cast.dora(), described(made(collection), title="x" * 500)
    assert len(shelving.shown(draft)) == shelving.TITLE_SHOWN
    drafts.submit(draft=draft, by=cast.edith(), revision=draft.revision)
    assert len(told(dora)[0]) < 200
