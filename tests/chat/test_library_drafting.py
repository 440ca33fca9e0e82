"""The page of a draft: findings, description, changes, review by a second person."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chat import drafts
from chat.models import Collection, DocumentVersion
from compliance.models import AuditEvent
from tests import cast
from tests.chat import drafting, shelf
from tests.chat.drafting import COMPLETE

pytestmark = pytest.mark.django_db

Status = DocumentVersion.Status


@pytest.fixture
def collection() -> Collection:
    return shelf.collection("protocols")


@pytest.fixture
def edith(db: None) -> Client:
    return cast.sign_in(Client(), cast.edith())


@pytest.fixture
def dora(db: None) -> Client:
    return cast.sign_in(Client(), cast.dora())


def words(response: Any) -> str:
    assert response.status_code == 200
    return unescape(response.content.decode()).split("<main")[1]


def page(client: Client, draft: DocumentVersion, **query: str | int) -> str:
    return words(client.get(reverse("library-draft", args=[draft.pk]), query))


def post(client: Client, name: str, draft: DocumentVersion, **fields: Any) -> Any:
    return client.post(reverse(f"library-draft-{name}", args=[draft.pk]), fields, follow=True)


def sent(draft: DocumentVersion, **fields: Any) -> dict[str, Any]:
    """A description as its form sends it."""
    values = COMPLETE | {"external_id": draft.document.external_id, "revision": draft.revision} | fields
    return {name: str(value) for name, value in values.items()}


def state(draft: DocumentVersion) -> str:
    return DocumentVersion.objects.get(pk=draft.pk).status


# ── Findings ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_found_comes_first_and_leads_to_its_place(edith: Client, collection: Collection) -> None:
    draft = drafting.draft(collection, drafting.PATIENT)
    text = page(edith, draft)
    for finding in draft.findings.all():
        anchor = f"finding-{finding.pk}"
        assert f'href="?part=1#{anchor}"' in text
        assert f'id="{anchor}">{draft.text[finding.start : finding.end]}</mark>' in text
    assert text.index("to look at") < text.index("Description") < text.index("As its readers will see it")


def test_an_editor_settles_and_equal_words_are_settled_together(edith: Client, collection: Collection) -> None:
    draft = drafting.draft(collection, f"{drafting.PATIENT}\n\nAgain: Mr. Delacroix.\n")
    text = page(edith, draft)
    ids = [str(f.pk) for f in draft.findings.all() if draft.text[f.start : f.end].endswith("Delacroix")]
    assert len(ids) >= 2
    assert "2 times" in text
    text = words(post(edith, "settle", draft, finding=ids))
    assert draft.findings.filter(pk__in=ids, settled_by=cast.edith()).count() == len(ids)
    assert 'id="settled-h">Looked at<' in text
    text = words(post(edith, "settle", draft, finding=["999999"]))
    assert "That is not there any more." in text


def test_a_finding_of_another_draft_is_not_settled_here(edith: Client, collection: Collection) -> None:
    one = drafting.draft(collection, drafting.PATIENT)
    other = drafting.draft(collection, drafting.PATIENT.replace("ten", "five"), name="other.md")
    post(edith, "settle", one, finding=[f.pk for f in other.findings.all()])
    assert not other.findings.exclude(settled_at=None).exists()


# ── Describing ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_description_is_saved_and_what_is_lacking_is_said(edith: Client, collection: Collection) -> None:
    draft = drafting.draft(collection)
    assert "Needed for review: owner, source, license, in effect from and review by" in page(edith, draft)
    text = words(post(edith, "describe", draft, **sent(draft, title="Heparin, adults", external_id="hep-1")))
    assert "The description is saved." in text
    assert "Needed for review" not in text
    draft.refresh_from_db()
    assert (draft.title, draft.document.external_id, draft.owner) == ("Heparin, adults", "hep-1", "Pharmacy")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("title", "", "Enter a title."),
        ("title", "x" * 501, "Shorten it to 500 characters."),
        ("url", "javascript:alert(1)", "Enter a full address"),
        ("review_by", "2020-01-01", "Choose a day after today."),
        ("review_by", "someday", "Enter a date"),
        ("effective_from", "2999-06-01", "Choose a day after the one it is in effect from."),
        ("kind", "poem", "That is not one of the choices."),
        ("external_id", "taken", "Another document of this collection has this id."),
    ],
    ids=["title", "long", "url", "past", "no-date", "order", "kind", "taken"],
)
def test_wrong_words_are_shown_again_with_what_is_wrong(
    edith: Client, collection: Collection, field: str, value: str, said: str
) -> None:
    drafting.draft(collection, "Other words.", name="taken.txt")
    draft = drafting.draft(collection)
    text = words(post(edith, "describe", draft, **sent(draft, owner="Kept", **{field: value})))
    assert said in text
    assert 'value="Kept"' in text
    if field != "kind":
        assert f'value="{value}"' in text
    draft.refresh_from_db()
    assert draft.owner == ""


def test_of_two_editors_the_second_keeps_what_was_typed_and_sees_what_changed(
    edith: Client, collection: Collection
) -> None:
    draft = drafting.draft(collection)
    typed = sent(draft, title="Mine", owner="Ward")
    drafting.described(draft, title="Theirs")
    text = words(post(edith, "describe", draft, **typed))
    assert "Somebody changed this draft while you were writing" in text
    assert '<dt>Title</dt><dd dir="auto">Theirs</dd>' in text
    assert '<dt>Owner</dt><dd dir="auto">Pharmacy</dd>' in text
    assert "<dt>License</dt>" not in text, "only what differs"
    assert 'value="Mine"' in text
    assert DocumentVersion.objects.get().title == "Theirs"
    revision = text.split('name="revision" value="')[1].split('"')[0]
    post(edith, "describe", draft, **typed | {"revision": revision})
    assert DocumentVersion.objects.get().title == "Mine"


# ── To review ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_goes_to_review_when_everything_was_looked_at_and_said(edith: Client, collection: Collection) -> None:
    draft = drafting.draft(collection, drafting.PATIENT)
    text = words(post(edith, "submit", draft, revision=draft.revision))
    assert "Before it goes to review, fill in: owner, source, license, in effect from, review by." in text
    whole = drafting.described(draft)
    assert "to be looked at first." in words(post(edith, "submit", draft, revision=whole.revision))
    for finding in draft.findings.all():
        drafts.settle(finding=finding, by=cast.edith())
    assert "Look at it as it is now" in words(post(edith, "submit", draft, revision=draft.revision)), "not as it was"
    cast.dora()
    text = words(post(edith, "submit", draft, revision=whole.revision))
    assert "It is in review." in text
    assert "so somebody else has to decide." in text
    assert state(draft) == Status.IN_REVIEW
    assert "It is no draft any more" in words(post(edith, "submit", draft, revision=whole.revision + 1))


def test_without_anybody_who_may_decide_the_page_says_so(edith: Client, collection: Collection) -> None:
    draft = drafting.in_review(collection)
    assert "Nobody here may decide on it" in page(edith, draft)


def test_a_second_person_approves_it_under_their_name(edith: Client, dora: Client, collection: Collection) -> None:
    draft = drafting.in_review(collection)
    assert post(edith, "decide", draft, decision="approve", revision=draft.revision).status_code == 403
    text = words(post(dora, "decide", draft, decision="approve", revision=draft.revision))
    assert "Approved. It waits for the next release." in text
    assert "Approved by Dora Diaz" in text
    assert state(draft) == Status.APPROVED
    again = post(dora, "decide", draft, decision="approve", revision=draft.revision)
    assert "Somebody else was faster." in words(again)


def test_it_goes_back_with_a_note_and_not_without(edith: Client, dora: Client, collection: Collection) -> None:
    draft = drafting.in_review(collection)
    text = words(post(dora, "decide", draft, decision="return", revision=draft.revision))
    assert "Say what has to change." in text
    assert "Choose what you decide." in words(post(dora, "decide", draft, note="Kept words", revision=draft.revision))
    note = "The rate is missing. Ask Mr. Delacroix, MRN 88231904."
    post(dora, "decide", draft, decision="return", note=note, revision=draft.revision)
    assert state(draft) == Status.DRAFT
    text = page(edith, draft)
    assert "Dora Diaz sent it back" in text
    assert "The rate is missing." in text
    assert "88231904" not in text


def test_a_decision_on_what_was_changed_meanwhile_keeps_its_note(dora: Client, collection: Collection) -> None:
    draft = drafting.in_review(collection)
    seen = draft.revision
    drafts.decide(draft=draft, by=cast.dora(), approve=False, note="x", revision=seen)
    draft.refresh_from_db()
    whole = drafting.described(draft, title="Another")
    drafts.submit(draft=whole, by=cast.edith(), revision=whole.revision)
    text = words(post(dora, "decide", draft, decision="return", note="My long note", revision=seen))
    assert "It was changed and sent again since you opened it." in text
    assert "My long note" in text
    assert state(draft) == Status.IN_REVIEW


def test_nobody_decides_on_their_own_work(dora: Client, collection: Collection) -> None:
    draft = drafting.in_review(collection)
    DocumentVersion.objects.update(created_by=cast.dora())
    assert "so somebody else has to decide." in page(dora, draft)
    text = words(post(dora, "decide", draft, decision="approve", revision=draft.revision))
    assert "You made it or sent it to review" in text
    assert state(draft) == Status.IN_REVIEW
    assert AuditEvent.objects.filter(code="authz_fail", actor=cast.dora()).exists()


def test_a_draft_can_be_given_up(edith: Client, collection: Collection) -> None:
    draft = drafting.draft(collection)
    assert "It is discarded." in words(post(edith, "discard", draft))
    assert "so nothing was changed." in words(post(edith, "discard", draft))
    assert state(draft) == Status.DISCARDED


# ── What is shown ────────────────────────────────────────────────────────────────────────────────────────────────


def test_changes_and_passages_are_shown(edith: Client, collection: Collection) -> None:
    shelf.load(collection, shelf.source("First words.\n\nStay as they are.", title="Heparin"))
    old = shelf.current()
    draft = drafting.draft(collection, "Second words.\n\nStay as they are.", name="doc-1.txt")
    assert draft.document == old.document
    text = page(edith, draft, show="changes")
    assert "First words.</del>" in text
    assert "Second words.</ins>" in text
    assert "Stay as they are.</p>" in text
    text = page(edith, draft, show="passages")
    assert "Passage 1" in text
    assert not draft.chunks.exists(), "looking at them stores nothing"


def test_who_opens_a_draft(collection: Collection, edith: Client, dora: Client) -> None:
    draft = drafting.draft(collection)
    address = reverse("library-draft", args=[draft.pk])
    for person in (cast.alice, cast.otto, cast.ada, cast.mallory):
        assert cast.sign_in(Client(), person()).get(address).status_code == 403
    text = page(dora, draft)
    assert reverse("library-draft-describe", args=[draft.pk]) not in text
    assert post(dora, "describe", draft, **sent(draft)).status_code == 403
    Collection.objects.update(readers=["auditor"])
    assert edith.get(address).status_code == 404
    assert post(edith, "discard", draft).status_code == 404
    assert dora.get(address).status_code == 404
    assert AuditEvent.objects.filter(code="authz_fail", object_id=str(draft.pk)).count() == 3


def test_a_long_draft_is_shown_in_parts_and_findings_lead_into_them(edith: Client, collection: Collection) -> None:
    sections = "".join(f"## Section {n}\n\n{'Give it slowly and look at the rate. ' * 60}\n\n" for n in range(40))
    draft = drafting.draft(collection, f"# Long\n\n{sections}## Last\n\nMr. Delacroix, MRN 88231904, was given it.\n")
    text = page(edith, draft)
    links = [part.split("#")[0] for part in text.split('href="?part=')[1:] if "#finding-" in part.split('"')[0]]
    assert links
    assert set(links) != {"1"}
    opened = page(edith, draft, part=links[0])
    assert f'id="finding-{draft.findings.all()[0].pk}"' in opened
    assert "Part 1 of" in text
    assert len(text) < 150_000
