"""Adding documents on the pages: who may, what is said of a file, and what becomes of it."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from chat import releases, uploads
from chat.corpus.formats import MAX_BYTES
from chat.models import Collection, Document, Upload
from compliance.models import User
from tests import cast
from tests.chat import drafting, shelf
from tests.chat.test_malware import EICAR, clamd

pytestmark = pytest.mark.django_db

ADD = "/library/add/"
TEXT = drafting.TEXT.encode()


@pytest.fixture
def collection() -> Collection:
    return shelf.collection("protocols")


@pytest.fixture
def edith(db: None) -> Client:
    return cast.sign_in(Client(), cast.edith())


def file(content: bytes = TEXT, name: str = "heparin.md") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def send(client: Client, *files: SimpleUploadedFile, address: str = ADD, **fields: Any) -> Any:
    return client.post(address, {"collection": "protocols", "file": list(files or [file()])} | fields)


def words(response: Any) -> str:
    assert response.status_code == 200
    return unescape(response.content.decode()).split("<main")[1]


def test_one_file_leads_to_its_page_and_from_there_to_its_draft(edith: Client, collection: Collection) -> None:
    sent = send(edith)
    upload = Upload.objects.get()
    assert sent.headers["Location"] == upload.get_absolute_url()
    text = edith.get(upload.get_absolute_url()).content.decode()
    assert "Waiting to be read" in text
    assert '<noscript><meta http-equiv="refresh"' in text
    assert edith.get(f"{upload.get_absolute_url()}state/").json() == {"state": "received"}
    uploads.read(upload.pk)
    assert edith.get(f"{upload.get_absolute_url()}state/").json() == {"state": "understood"}
    text = words(edith.get(upload.get_absolute_url()))
    assert reverse("library-draft", args=[upload.drafts.get().pk]) in text
    assert "Nothing to look at" in text
    assert "refresh" not in text


def test_drafts_of_documents_that_are_not_open_to_an_editor_are_not_listed(
    edith: Client, collection: Collection
) -> None:
    send(edith)
    upload = Upload.objects.get()
    uploads.read(upload.pk)
    link = reverse("library-draft", args=[upload.drafts.get().pk])
    assert link in words(edith.get(upload.get_absolute_url()))
    Document.objects.update(readers=["auditor"])
    assert link not in words(edith.get(upload.get_absolute_url()))


def test_several_files_lead_to_the_list_of_files(edith: Client, collection: Collection) -> None:
    sent = send(edith, file(), file(b"Other words.", "other.txt"))
    assert sent.headers["Location"] == f"{reverse('library-work')}?status=files"
    text = words(edith.get(sent.headers["Location"]))
    assert "heparin.md" in text
    assert "other.txt" in text


def test_a_file_that_cannot_be_read_says_why_and_what_to_do(edith: Client, collection: Collection) -> None:
    send(edith, file(b"\x89PNG\r\n\x1a\n" + b"\x00" * 40, "scan.md"))
    upload = Upload.objects.get()
    uploads.read(upload.pk)
    upload.refresh_from_db()
    text = words(edith.get(upload.get_absolute_url()))
    assert "This file was not taken" in text
    assert upload.problems[0] in text
    assert f"{ADD}?collection=protocols" in text
    assert "Not taken" in words(edith.get(reverse("library-work")))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], "Choose at least one file."),
        ([(b"", "empty.md")], "“empty.md” is empty."),
        ([(b"x", f"{n}.txt") for n in range(21)], "Choose at most 20 files at once."),
    ],
    ids=["none", "empty", "many"],
)
def test_wrong_choices_are_named_and_nothing_is_taken(
    edith: Client, collection: Collection, files: list[tuple[bytes, str]], said: str
) -> None:
    sent = edith.post(ADD, {"collection": "protocols", "file": [file(*one) for one in files]})
    assert said in words(sent)
    assert not Upload.objects.exists()


def test_a_file_that_is_too_large_is_refused_before_it_is_read(edith: Client, collection: Collection) -> None:
    sent = send(edith, file(b"x" * (MAX_BYTES + 200_000)))
    assert sent.status_code == 413
    assert "Send at most 25 MB. Nothing of it was kept." in sent.content.decode()
    assert not Upload.objects.exists()


def test_of_files_with_malware_among_them_none_is_taken(edith: Client, collection: Collection, settings: Any) -> None:
    with clamd() as settings.CLAMD:
        sent = send(edith, file(), file(EICAR, "bad.txt"))
    assert "The malware scanner refused “bad.txt”. Nothing was taken." in words(sent)
    settings.CLAMD = ("127.0.0.1", 1)
    assert "The malware scanner does not answer, so nothing was taken." in words(send(edith))
    assert not Upload.objects.exists()


def test_the_script_is_told_where_to_go_or_what_is_wrong(edith: Client, collection: Collection) -> None:
    asks = {"headers": {"Accept": "application/json"}}
    sent = edith.post(ADD, {"collection": "protocols", "file": file()}, **asks)  # type: ignore[arg-type]
    assert sent.json() == {"next": Upload.objects.get().get_absolute_url(), "collection": "protocols"}
    refused = edith.post(ADD, {"collection": "nowhere", "file": file()}, **asks)  # type: ignore[arg-type]
    assert (refused.status_code, refused.json()) == (422, {"errors": ["That is not one of the choices."]})


def test_a_new_collection_is_made_with_its_readers(edith: Client) -> None:
    cast.alice()
    fields: dict[str, Any] = {
        "collection": "new",
        "name": "Ward protocols",
        "readers": ["knowledge_editor", "clinician"],
    }
    assert send(edith, **fields).status_code == 302
    made = Collection.objects.get()
    assert (made.slug, made.readers) == ("ward-protocols", ["clinician", "knowledge_editor"])
    assert send(edith, **fields).status_code == 302
    assert sorted(Collection.objects.values_list("slug", flat=True)) == ["ward-protocols", "ward-protocols-2"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": ""}, "Name the new collection."),
        ({"name": "Wards", "readers": ["clinician"]}, "You would not be able to read it yourself."),
        ({"name": "Wards", "readers": ["nobody"]}, "That is not one of the choices."),
        ({"name": "x" * 201}, "Shorten it to 200 characters."),
    ],
    ids=["nameless", "shut-out", "no-role", "long"],
)
def test_a_collection_that_cannot_be_made_keeps_what_was_typed(
    edith: Client, fields: dict[str, Any], said: str
) -> None:
    text = words(send(edith, collection="new", **fields))
    assert said in text
    assert f'value="{fields["name"]}"' in text
    assert not Collection.objects.exists()
    assert not Upload.objects.exists()


def test_a_new_version_goes_to_its_document_alone(edith: Client, collection: Collection) -> None:
    shelf.load(collection, shelf.source("Once daily."))
    document = Document.objects.get()
    address = f"{ADD}?document={document.pk}"
    assert "The next version of “Title 1” in Test." in words(edith.get(address))
    assert "A new version is one file." in words(send(edith, file(), file(), address=address))
    assert send(edith, address=address).status_code == 302
    upload = Upload.objects.get()
    uploads.read(upload.pk)
    draft = upload.drafts.get()
    assert (draft.document, draft.number, draft.title) == (document, 2, "Title 1")


def test_scans_are_read_only_where_that_can_be_done(
    edith: Client, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert 'name="ocr"' not in words(edith.get(ADD))
    send(edith, ocr="on")
    assert not Upload.objects.get().ocr
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/tesseract")
    assert 'name="ocr"' in words(edith.get(ADD))
    send(edith, file(b"Other words."), ocr="on")
    assert Upload.objects.first().ocr  # type: ignore[union-attr]


def test_only_editors_add(collection: Collection) -> None:
    for person in (cast.alice, cast.dora, cast.ada, cast.mallory):
        client = cast.sign_in(Client(), person())
        assert client.get(ADD).status_code == 403
        refused = send(client, file(b"x" * 3_000_000))
        assert refused.status_code == 403
        assert not hasattr(refused.wsgi_request, "_files"), "what a stranger sends is not read"
    assert not Upload.objects.exists()


def test_a_forged_form_is_refused(collection: Collection) -> None:
    client = cast.sign_in(Client(enforce_csrf_checks=True), cast.edith())
    assert send(client).status_code == 403
    client.get(ADD)
    token = client.cookies["csrftoken"].value
    assert send(client, csrfmiddlewaretoken=token).status_code == 302


def test_an_upload_is_open_to_the_editors_who_read_its_collection(edith: Client, collection: Collection) -> None:
    send(edith)
    address = Upload.objects.get().get_absolute_url()
    assert cast.sign_in(Client(), cast.dora()).get(address).status_code == 403
    Collection.objects.update(readers=["auditor"])
    for suffix in ("", "state/"):
        assert edith.get(address + suffix).status_code == 404


def test_a_draft_of_a_document_closed_to_a_person_is_not_on_the_page_of_its_file(
    edith: Client, collection: Collection
) -> None:
    draft = drafting.draft(collection)
    address = Upload.objects.get().get_absolute_url()
    assert reverse("library-draft", args=[draft.pk]) in words(edith.get(address))
    Document.objects.update(departments=["Oncology"])
    text = words(edith.get(address))
    assert reverse("library-draft", args=[draft.pk]) not in text
    assert draft.title not in text


def test_the_list_of_work_says_what_waits_for_whom(edith: Client, collection: Collection) -> None:
    send(edith, file(b"Being read."))
    waiting = drafting.draft(collection, drafting.PATIENT)
    review = drafting.in_review(collection, "Words in review.", name="review.txt")
    ready = drafting.approved(collection, "Words approved.", name="approved.txt")
    text = words(edith.get(reverse("library-work")))
    for found in (waiting, review, ready):
        assert reverse("library-draft", args=[found.pk]) in text
    assert "to look at" in text
    assert "Waits for a reviewer" in text
    dora = cast.sign_in(Client(), cast.dora())
    text = words(dora.get(reverse("library-work"), {"status": "in_review"}))
    assert "Waits for you" in text
    assert reverse("library-draft", args=[waiting.pk]) not in text
    assert ADD not in text
    assert cast.sign_in(Client(), cast.alice()).get(reverse("library-work")).status_code == 403


def test_a_collection_closed_to_a_person_is_not_in_their_list(edith: Client, collection: Collection) -> None:
    drafting.draft(collection)
    Collection.objects.update(departments=["Pharmacy"])
    text = words(edith.get(reverse("library-work")))
    assert "No draft is open." in text
    User.objects.filter(pk=cast.edith().pk).update(department="Pharmacy")
    assert "heparin" in words(edith.get(reverse("library-work"))).lower()


def test_a_document_past_its_review_date_is_listed_and_can_be_reviewed_again(
    edith: Client, collection: Collection
) -> None:
    shelf.load(collection, shelf.source("Once daily."))
    version = shelf.current()
    version.review_by = version.published_at.date().replace(year=2020)  # type: ignore[union-attr]
    version.save(update_fields=["review_by"])
    assert "Title 1" in words(edith.get(reverse("library-work"), {"status": "overdue"}))
    made = edith.post(reverse("library-again", args=[version.document_id]))
    draft = Document.objects.get().versions.get(status="draft")
    assert made.headers["Location"] == reverse("library-draft", args=[draft.pk])
    again = edith.post(reverse("library-again", args=[version.document_id]), follow=True)
    assert "has a version on its way already" in words(again)
    releases.withdraw(documents=[version.document], reason="Old.", by=cast.edith())
    draft.delete()
    told = edith.post(reverse("library-again", args=[version.document_id]), follow=True)
    assert "This document is withdrawn." in words(told)
