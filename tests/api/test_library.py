"""Documents of the knowledge base: who reads which, in pages that stay put, as of any day, and out of the search."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from chat import days, releases
from chat.models import Collection, Document, DocumentVersion, Listing, Release
from clinchat.lib import clock
from compliance.models import AuditEvent, Code
from tests import cast
from tests.api.conftest import Api
from tests.api.editors import editor, program, pushed, signed_in
from tests.api.test_signin import assert_problem
from tests.chat import shelf

pytestmark = pytest.mark.django_db

OLD = "Stop metformin 48 hours before iodinated contrast."
NEW = "Stop metformin at the time of iodinated contrast."


@pytest.fixture
def shelf_of_two(db: None) -> Collection:
    """One document with a superseded and a current version, and one that was never changed."""
    made = shelf.collection("drugs")
    shelf.load(made, shelf.source(OLD), shelf.source("Warfarin is taken in the evening.", 2, specialty="Cardiology"))
    shelf.load(made, shelf.source(NEW, pages=(0, 20)))
    first, second = Release.objects.order_by("number")
    moved(first, days=30)
    moved(second, days=10)
    return made


@pytest.fixture
def one(db: None) -> Document:
    """A published document that no release brought in: enough to be asked for in the wrong way."""
    document = Document.objects.create(collection=shelf.collection("bare"), external_id="bare")
    said = {"title": "Bare", "status": "published", "text": "A text.", "sha256": "0" * 64}
    DocumentVersion.objects.create(document=document, number=1, published_at=clock.now(), **said)
    return document


def moved(release: Release, *, days: int) -> None:
    """As if it had been published so long ago."""
    then = clock.now() - timedelta(days=days)
    Listing.objects.filter(since=release).update(since_at=then)
    Listing.objects.filter(until=release).update(until_at=then)


def day(days: int) -> str:
    return f"{clock.now().date() - timedelta(days=days)}"


def found(api: Api, query: str = "") -> list[tuple[str, int, str]]:
    answer = api.get(f"library/documents{query}")
    assert answer.status_code == 200, answer.content
    return [(one["external_id"], one["number"], one["status"]) for one in answer.json()["documents"]]


# ── Lists ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_collections_with_what_is_searched_and_their_last_release(shelf_of_two: Collection) -> None:
    shelf.collection("empty")
    shelf.collection("closed", readers=["auditor"])
    alice = signed_in(cast.alice())
    drugs, empty = sorted(alice.get("library/collections").json()["collections"], key=lambda c: c["slug"])
    last = Release.objects.get(number=2)
    assert (drugs["slug"], drugs["documents"], empty["slug"], empty["documents"]) == ("drugs", 2, "empty", 0)
    assert (drugs["release"]["number"], drugs["release"]["manifest_sha256"]) == (2, last.manifest_sha256)
    assert empty["release"] is None


def test_documents_by_status_collection_and_specialty(shelf_of_two: Collection) -> None:
    shelf.load(shelf.collection("other"), shelf.source("Something else.", 3))
    alice = signed_in(cast.alice())
    two, one, other = ("doc-2", 1, "published"), ("doc-1", 2, "published"), ("doc-3", 1, "published")
    assert found(alice) == [two, one, other]
    assert found(alice, "?collection=drugs") == [two, one]
    assert found(alice, "?specialty=cardiology") == [two]
    assert found(alice, "?status=superseded") == [("doc-1", 1, "superseded")]
    assert found(alice, "?status=withdrawn&collection=other") == []


def test_documents_as_they_were_searched_on_a_day(shelf_of_two: Collection) -> None:
    alice = signed_in(cast.alice())
    assert found(alice, f"?as_of={day(31)}") == []
    assert found(alice, f"?as_of={day(11)}") == [("doc-1", 1, "superseded"), ("doc-2", 1, "published")]
    for ago in (10, 0):
        assert found(alice, f"?as_of={day(ago)}") == [("doc-2", 1, "published"), ("doc-1", 2, "published")]


def test_pages_hold_every_document_once_whatever_changes_meanwhile(shelf_of_two: Collection) -> None:
    shelf.load(shelf_of_two, *(shelf.source(f"Text {n}.", n) for n in range(3, 8)))
    alice = signed_in(cast.alice())
    seen, cursor = [], ""
    while True:
        page = alice.get(f"library/documents?limit=2{cursor}").json()
        seen += [one["external_id"] for one in page["documents"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
        if len(seen) == 2:  # one that was shown leaves, and one comes
            shown = Document.objects.get(external_id=seen[0])
            releases.withdraw(documents=[shown], reason="", by=editor())
            shelf.load(shelf_of_two, shelf.source("The newest.", 8))
    assert sorted(seen) == [f"doc-{n}" for n in range(1, 9)]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("as_of=2026-02-30", "as_of"),
        ("as_of=2026-W47-6", "as_of"),
        ("as_of=20261121", "as_of"),
        ("as_of=9999-12-31", "as_of"),
        ("as_of=%00", "as_of"),
        ("status=published&as_of=2026-01-01", "non_field_errors"),
        ("status=discarded", "status"),
        ("collection=nowhere", "collection"),
        ("collection=%00", "collection"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        (f"limit={'9' * 5000}", "limit"),
        ("limit=1.0", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=MjAyNi0wMS0wMSB4", "cursor"),
        ("cursor=%FF%FE", "cursor"),
        ("colection=drugs", "colection"),
    ],
)
def test_what_a_list_cannot_be_asked(api: Api, query: str, field: str) -> None:
    api.sign_in(cast.alice())
    assert list(assert_problem(api.get(f"library/documents?{query}"), 400)["errors"]) == [field]


# ── Who reads what ───────────────────────────────────────────────────────────────────────────────────────────────


def test_only_what_the_person_may_read(shelf_of_two: Collection) -> None:
    closed = shelf.collection("closed", departments=["Cardiology"])
    shelf.load(closed, shelf.source("For cardiology.", 3))
    Document.objects.filter(external_id="doc-2").update(readers=["department_head"])
    secret, narrow = (Document.objects.get(external_id=f"doc-{n}") for n in (3, 2))
    alice, dora = signed_in(cast.alice()), signed_in(cast.dora())
    assert found(alice) == [("doc-1", 2, "published")]
    assert found(dora) == [("doc-2", 1, "published"), ("doc-1", 2, "published")]
    assert list(assert_problem(alice.get("library/documents?collection=closed"), 400)["errors"]) == ["collection"]
    for document in (secret, narrow):
        assert_problem(alice.get(f"library/documents/{document.pk}"), 404)
    assert dora.get(f"library/documents/{narrow.pk}").status_code == 200
    refused = AuditEvent.objects.filter(code=Code.AUTHZ_FAIL, object_type="chat.Document")
    assert {event.object_id for event in refused} == {str(secret.pk), str(narrow.pk)}


def test_drafts_are_listed_for_those_who_edit_or_review(shelf_of_two: Collection) -> None:
    edith = signed_in(editor())
    pushed(edith, shelf_of_two)
    draft = ("heparin", 1, "draft")
    assert found(edith, "?status=draft") == [draft]
    assert found(signed_in(cast.dora()), "?status=draft") == [draft]
    assert found(program(), "?status=draft") == [draft]
    for person in (cast.alice(), cast.otto(), cast.ada()):
        assert_problem(signed_in(person).get("library/documents?status=draft"), 403)
    assert_problem(signed_in(cast.mallory()).get("library/documents"), 403)
    assert_problem(Api().get("library/documents"), 401)


def test_a_draft_is_no_document_yet(shelf_of_two: Collection) -> None:
    edith = signed_in(editor())
    draft = pushed(edith, shelf_of_two)
    assert_problem(edith.get(f"library/documents/{draft.document_id}"), 404)


# ── One document ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_document_with_its_versions(shelf_of_two: Collection) -> None:
    version = shelf.current()
    address = f"library/documents/{version.document_id}"
    alice = signed_in(cast.alice())
    told = alice.get(address).json()
    assert (told["external_id"], told["number"], told["status"]) == ("doc-1", 2, "published")
    assert (told["sha256"], told["pages"], told["review"], told["text"]) == (version.sha256, [0, 20], None, None)
    assert [(v["number"], v["status"]) for v in told["versions"]] == [(2, "published"), (1, "superseded")]
    assert alice.get(f"{address}?text=true").json()["text"] == NEW
    assert alice.get(f"{address}?version=1&text=true").json()["text"] == OLD
    assert alice.get(f"{address}?as_of={day(15)}&text=true").json()["text"] == OLD
    reads = AuditEvent.objects.filter(code=Code.SENSITIVE_READ, object_id=str(version.document_id))
    assert reads.count() == 4


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("version=3", 404),
        ("as_of=2001-01-01", 404),
        ("version=0", 400),
        ("version=-1", 400),
        (f"version={'9' * 30}", 400),
        ("version=1&as_of=2026-01-01", 400),
        ("text=1", 400),
        ("number=1", 400),
    ],
)
def test_a_version_that_is_not_there(one: Document, query: str, status: int) -> None:
    assert_problem(signed_in(cast.alice()).get(f"library/documents/{one.pk}?{query}"), status)


# ── Out of the search ────────────────────────────────────────────────────────────────────────────────────────────


def withdrawing(document: Document, api: Api, reason: Any = "Recalled.") -> Any:
    return api.post(f"library/documents/{document.pk}/withdraw", {"reason": reason})


def test_a_document_is_withdrawn_at_once_and_once(shelf_of_two: Collection) -> None:
    document, dora = Document.objects.get(external_id="doc-1"), signed_in(cast.dora())
    answer = withdrawing(document, dora, "Recalled after Maria Gonzalez, MRN 00482913, bled.")
    assert answer.status_code == 200, answer.content
    told = answer.json()["release"]
    assert (told["kind"], told["number"], told["published_by"]) == ("withdrawal", 3, "Dora Diaz, MD")
    assert "Gonzalez" not in Release.objects.get(number=3).reason
    assert "00482913" not in told["reason"]
    assert found(dora) == [("doc-2", 1, "published")]
    assert dora.get(f"library/documents/{document.pk}").json()["status"] == "withdrawn"
    assert_problem(withdrawing(document, dora), 409)


def test_who_may_not_withdraw(shelf_of_two: Collection) -> None:
    document = Document.objects.get(external_id="doc-1")
    for api in (signed_in(cast.alice()), signed_in(cast.otto()), program()):
        assert_problem(withdrawing(document, api), 403)
    Document.objects.filter(pk=document.pk).update(departments=["Cardiology"])
    assert_problem(withdrawing(document, signed_in(editor())), 404)
    assert DocumentVersion.objects.get(document=document, number=2).status == "published"


@pytest.mark.parametrize("reason", ["", " ", None, 7, "x" * 501, "\x00"])
def test_a_withdrawal_says_why(one: Document, reason: Any) -> None:
    answer = withdrawing(one, signed_in(editor()), reason)
    assert list(assert_problem(answer, 400)["errors"]) == ["reason"]


def test_the_end_of_a_day_is_that_of_the_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "get_default_timezone", lambda: ZoneInfo("America/New_York"))
    now = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)  # there it is still the 21st
    monkeypatch.setattr(clock, "now", lambda: now)
    assert days.end_of(date(2026, 11, 20)) == datetime(2026, 11, 21, 4, 59, 59, 999999, tzinfo=UTC)
    assert days.end_of(date(2026, 11, 21)) == now
    with pytest.raises(days.NotYet):
        days.end_of(date(2026, 11, 22))
