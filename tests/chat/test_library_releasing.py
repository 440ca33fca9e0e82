"""Releases on the pages: publishing, the comparison that holds one up, the way back, withdrawal, readers."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chat import releases
from chat.models import Collection, Document, DocumentVersion, Release
from compliance.access import emergency
from compliance.models import AuditEvent
from tests import cast
from tests.chat import drafting, labelled, shelf

pytestmark = pytest.mark.django_db


@pytest.fixture
def collection() -> Collection:
    return shelf.collection("protocols")


@pytest.fixture
def edith(db: None) -> Client:
    return cast.sign_in(Client(), cast.edith())


def words(response: Any) -> str:
    assert response.status_code == 200
    return unescape(response.content.decode()).split("<main")[1]


def page(client: Client, name: str, *args: Any, **query: str) -> str:
    return words(client.get(reverse(name, args=args), query))


def post(client: Client, name: str, *args: Any, **fields: Any) -> Any:
    return client.post(reverse(name, args=args), fields, follow=True)


def candidate() -> Release:
    return Release.objects.get(state="candidate")


# ── Publishing ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_editor_publishes_what_was_approved(edith: Client, collection: Collection) -> None:
    version = drafting.approved(collection)
    release = candidate()
    assert "1 passage still to be prepared" in page(edith, "library-releases")
    told = words(post(edith, "library-release-publish", release.pk))
    assert "are still being prepared for the search." in told
    releases.embed_waiting()
    assert "Ready to be published." in page(edith, "library-releases")
    text = page(edith, "library-release", release.pk)
    assert "New, version 1" in text
    assert "Heparin protocol" in text
    told = words(post(edith, "library-release-publish", release.pk))
    assert "Release 1 is published. 1 documents are searched." in told or "Release 1 is published." in told
    version.refresh_from_db()
    assert version.status == "published"
    assert "In force" in page(edith, "library-release", release.pk)
    assert "Clinically reviewed by Dora Diaz" in page(edith, "document", version.document_id)
    assert "Somebody else was faster" in words(post(edith, "library-release-publish", release.pk))


def test_a_release_that_makes_answers_worse_is_refused_with_the_comparison(edith: Client) -> None:
    collection = labelled.drugs("protocols")
    labelled.ask_of(collection)
    for name in labelled.DRUGS:
        drafting.approved(collection, f"# {name.capitalize()}\n\nSee the other book.\n", name=f"{name}.md")
    releases.embed_waiting()
    release = candidate()
    told = words(post(edith, "library-release-publish", release.pk))
    assert "Not published" in told
    assert "Order of the documents (nDCG at 10)" in told
    assert "Fell" in told
    assert "Lost most:" in told
    assert DocumentVersion.objects.filter(status="published", number=1).count() == len(labelled.DRUGS)
    text = page(edith, "library-releases")
    assert "Refused" in text
    assert "in the place of version 1" in told


def test_watchers_look_and_do_not_publish(collection: Collection) -> None:
    drafting.approved(collection)
    otto = cast.sign_in(Client(), cast.otto())
    text = page(otto, "library-release", candidate().pk)
    assert "A knowledge editor publishes it." in text
    assert post(otto, "library-release-publish", candidate().pk).status_code == 403
    dora = cast.sign_in(Client(), cast.dora())
    assert post(dora, "library-release-publish", candidate().pk).status_code == 403
    alice = cast.sign_in(Client(), cast.alice())
    assert alice.get(reverse("library-releases")).status_code == 403


def test_a_collection_closed_to_a_person_has_no_releases_for_them(edith: Client, collection: Collection) -> None:
    drafting.approved(collection)
    Collection.objects.update(readers=["auditor"])
    assert edith.get(candidate().get_absolute_url()).status_code == 404
    assert post(edith, "library-release-publish", candidate().pk).status_code == 404
    assert collection.name not in page(edith, "library-releases")


def test_documents_closed_to_a_person_are_counted_and_not_named(edith: Client, collection: Collection) -> None:
    shelf.load(collection, shelf.source("Once daily."), shelf.source("Twice daily.", 2))
    Document.objects.filter(external_id="doc-2").update(readers=["auditor"])
    text = page(edith, "library-release", Release.objects.get().pk)
    assert "Title 1" in text
    assert "Title 2" not in text
    assert "1 more concerns documents that are not open to you." in text


# ── The way back ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_going_back_asks_first_and_says_what_changes(edith: Client, collection: Collection) -> None:
    shelf.load(collection, shelf.source("Once daily."), shelf.source("At night.", 3))
    shelf.load(collection, shelf.source("Twice daily."), shelf.source("In the morning.", 2))
    releases.withdraw(documents=[Document.objects.get(external_id="doc-3")], reason="Wrong.", by=cast.edith())
    first = Release.objects.get(number=1)
    text = page(edith, "library-release-back", first.pk)
    assert "1 document returns to an earlier version" in text
    assert "1 document that came later leaves the search" in text
    assert "1 document withdrawn since stays withdrawn" in text
    assert "Say why." in words(post(edith, "library-release-back", first.pk, reason=""))
    assert shelf.current().text == "Twice daily."
    told = words(post(edith, "library-release-back", first.pk, reason="The new dose is wrong."))
    assert "What was searched after release 1 is searched again." in told
    assert "The new dose is wrong." in told
    assert shelf.current().text == "Once daily."
    assert not DocumentVersion.objects.filter(document__external_id="doc-3", status="published").exists()
    again = post(edith, "library-release-back", first.pk, reason="x", withdrawn_too="on")
    assert "is searched again" in words(again)
    assert shelf.current(3).text == "At night."
    assert "Nothing was done." in words(post(edith, "library-release-back", first.pk, reason="x"))


def test_what_an_earlier_way_back_took_out_returns_and_was_not_withdrawn(edith: Client, collection: Collection) -> None:
    shelf.load(collection, shelf.source("Once daily."))
    shelf.load(collection, shelf.source("At night.", 2))
    first, second = Release.objects.order_by("number")
    post(edith, "library-release-back", first.pk, reason="Too early.")
    text = page(edith, "library-release-back", second.pk)
    assert "1 document returns" in text
    assert "withdrawn since" not in text
    post(edith, "library-release-back", second.pk, reason="Now.")
    assert shelf.current(2).text == "At night."


def test_only_an_editor_goes_back(collection: Collection) -> None:
    shelf.load(collection, shelf.source("Once daily."))
    release = Release.objects.get()
    for person in (cast.dora, cast.otto, cast.alice):
        client = cast.sign_in(Client(), person())
        assert client.get(reverse("library-release-back", args=[release.pk])).status_code == 403


# ── Withdrawing ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_withdrawal_says_how_many_are_told_and_needs_a_reason(collection: Collection) -> None:
    shelf.load(collection, shelf.source("Once daily."))
    version = shelf.current()
    for person in (cast.alice(), cast.bob()):
        shelf.quoting(person, (version, "Once daily."))
    shelf.quoting(cast.nadia(), (version, "Once daily."), n=0)
    dora = cast.sign_in(Client(), cast.dora())
    text = page(dora, "library-withdraw", version.document_id)
    assert "2 people saw 2 answers that rest on it. They are told at once." in text
    assert "Say why." in words(post(dora, "library-withdraw", version.document_id, reason=" "))
    told = words(post(dora, "library-withdraw", version.document_id, reason="Wrong dose for MRN 88231904."))
    assert "It is withdrawn. No answer quotes it from now on." in told
    assert "Wrong dose" in told
    assert "88231904" not in told
    assert "It is withdrawn already." in words(post(dora, "library-withdraw", version.document_id, reason="x"))
    alice = cast.sign_in(Client(), cast.alice())
    assert alice.get(reverse("library-withdraw", args=[version.document_id])).status_code == 403


def test_an_emergency_opens_a_document_to_be_read_and_not_to_be_changed(collection: Collection) -> None:
    shelf.load(collection, shelf.source("Once daily."))
    document, dora = Document.objects.get(), cast.sign_in(Client(), cast.dora())
    Document.objects.update(readers=["auditor"])
    dora.post(reverse("emergency"), {"what": str(document.pk), "reason": "Bleeding, and the on-call is away."})
    assert reverse("library-withdraw", args=[document.pk]) not in words(dora.get(document.get_absolute_url()))
    assert post(dora, "library-withdraw", document.pk, reason="Wrong.").status_code == 404
    assert shelf.current().status == "published"


# ── Readers ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_emergency_opens_a_document_to_read_and_not_to_withdraw() -> None:
    shelf.load(shelf.collection(), shelf.source("Give two tablets a day."))
    found = shelf.current().document
    Document.objects.update(departments=["Oncology"])
    dora = cast.sign_in(Client(), cast.dora())
    emergency.take(user=cast.verified(cast.dora()), what=str(found.pk), reason="Needed on the ward")
    assert dora.get(found.get_absolute_url()).status_code == 200
    said = {"reason": "Wrong."}
    sent = [
        dora.post(reverse("library-withdraw", args=[found.pk]), said),
        dora.post(reverse("api-library-withdraw", args=[found.pk]), said, content_type="application/json"),
    ]
    assert ([answer.status_code for answer in sent], shelf.current().status) == ([404, 404], "published")


def test_a_document_is_narrowed_to_roles_and_departments(edith: Client, collection: Collection) -> None:
    shelf.load(collection, shelf.source("Once daily."))
    document, alice = Document.objects.get(), cast.sign_in(Client(), cast.alice())
    readers = {"readers": ["knowledge_editor", "auditor"]}
    assert alice.get(document.get_absolute_url()).status_code == 200
    assert "It holds from the next search on." in words(post(edith, "library-readers", document.pk, **readers))
    assert alice.get(document.get_absolute_url()).status_code == 404
    assert "No document matches" in page(alice, "library", q="daily")
    text = page(edith, "library-readers", document.pk)
    assert 'value="auditor" checked' in text
    assert AuditEvent.objects.filter(object_type="chat.Document", action="U", actor=cast.edith()).exists()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"readers": ["clinician"]}, "You would not be able to read it yourself."),
        ({"departments": ["Internal medicine"]}, "You would not be able to read it yourself."),
        ({"departments": ["Nowhere"]}, "That is not one of the choices."),
    ],
    ids=["role", "department", "unknown"],
)
def test_nobody_shuts_themselves_out(
    edith: Client, collection: Collection, fields: dict[str, list[str]], said: str
) -> None:
    cast.alice()
    text = words(post(edith, "library-collection", collection.slug, **fields))
    assert said in text
    collection.refresh_from_db()
    assert (collection.readers, collection.departments) == ([], [])


def test_only_editors_say_who_reads(collection: Collection) -> None:
    dora = cast.sign_in(Client(), cast.dora())
    assert dora.get(reverse("library-collection", args=[collection.slug])).status_code == 403
    Collection.objects.update(readers=["auditor"])
    edith = cast.sign_in(Client(), cast.edith())
    assert edith.get(reverse("library-collection", args=[collection.slug])).status_code == 404
