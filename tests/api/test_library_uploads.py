"""Files sent through the API, by people and by programs: what is taken, what is refused, and how to follow one."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from chat import uploads
from chat.corpus import malware
from chat.corpus.formats import MAX_BYTES
from chat.models import Collection, Document, DocumentVersion, Upload
from compliance import phi
from compliance.access import Action
from compliance.models import AuditEvent, Code
from tests import cast
from tests.api.conftest import Api
from tests.api.editors import TEXT, editor, program, pushed, send, signed_in
from tests.api.test_signin import assert_problem
from tests.chat import shelf

pytestmark = pytest.mark.django_db

BOUNDARY = "multipart/form-data; boundary=b"


@pytest.fixture
def shelf_of_none(db: None) -> Collection:
    return shelf.collection("protocols")


@pytest.fixture
def edith(db: None) -> Api:
    return signed_in(editor())


def raw(api: Api, body: bytes, content_type: str = BOUNDARY, **more: Any) -> Any:
    headers = {"Authorization": f"Bearer {api.access}"}
    address = "/api/library/uploads"
    return api.client.generic("POST", address, body, content_type=content_type, headers=headers, **more)


# ── Taken ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_is_taken_read_and_followed(shelf_of_none: Collection, edith: Api) -> None:
    sent = send(edith, shelf_of_none)
    upload = Upload.objects.get()
    assert (sent.status_code, sent["Location"]) == (202, f"/api/library/uploads/{upload.pk}")
    told = sent.json()
    assert (told["state"], told["size"], told["drafts"], told["ocr"]) == ("received", len(TEXT), [], False)
    uploads.read(upload.pk)
    told = edith.get(f"library/uploads/{upload.pk}").json()
    draft = DocumentVersion.objects.get()
    assert (told["state"], told["problems"], told["created_by"]) == ("understood", [], "Edith Ekholm")
    assert [(one["version"], one["status"], one["unsettled"]) for one in told["drafts"]] == [
        (str(draft.pk), "draft", 0)
    ]
    assert draft.file_name == "heparin.md"


def test_what_cannot_be_read_says_why(shelf_of_none: Collection, edith: Api) -> None:
    sent = send(edith, shelf_of_none, "%PDF-1.7 and nothing more", name="broken.pdf").json()
    uploads.read(uuid.UUID(sent["id"]))
    told = edith.get(f"library/uploads/{sent['id']}").json()
    assert (told["state"], told["drafts"], len(told["problems"])) == ("refused", [], 1)


def test_the_next_version_of_a_document(shelf_of_none: Collection, edith: Api) -> None:
    shelf.load(shelf_of_none, shelf.source("The old text."))
    document = Document.objects.get()
    draft = pushed(edith, shelf_of_none, "# A new text\n\nIt says more.", document=str(document.pk))
    assert (draft.document_id, draft.number) == (document.pk, 2)


def test_the_same_file_sent_twice_is_one_upload(shelf_of_none: Collection, edith: Api) -> None:
    assert send(edith, shelf_of_none).json()["id"] == send(edith, shelf_of_none).json()["id"]
    assert send(edith, shelf_of_none, ocr="true").json()["ocr"] is True
    assert Upload.objects.count() == 2


def test_a_name_in_the_name_of_a_file_is_masked(shelf_of_none: Collection, edith: Api) -> None:
    sent = send(edith, shelf_of_none, name="Maria Gonzalez MRN 00482913.md").json()
    assert "Gonzalez" not in sent["file_name"]
    assert "00482913" not in str(list(Upload.objects.values_list("file_name", flat=True)))
    assert sent["file_name"].endswith(".md")


# ── By whom ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_browser_needs_its_csrf_token(shelf_of_none: Collection) -> None:
    client = cast.sign_in(Client(enforce_csrf_checks=True), editor())
    form = {"collection": shelf_of_none.slug, "file": SimpleUploadedFile("x.md", TEXT.encode())}
    assert_problem(client.post("/api/library/uploads", form), 403)
    client.get("/settings/")
    form["file"] = SimpleUploadedFile("x.md", TEXT.encode())
    token = client.cookies["csrftoken"].value
    assert client.post("/api/library/uploads", form, headers={"X-CSRFToken": token}).status_code == 202


def test_the_document_system_pushes_and_follows(shelf_of_none: Collection) -> None:
    api = program()
    draft = pushed(api, shelf_of_none)
    told = api.get(f"library/uploads/{Upload.objects.get().pk}").json()
    assert (told["state"], told["created_by"]) == ("understood", draft.created_by.name if draft.created_by else "")
    assert api.get(f"library/drafts/{draft.pk}").status_code == 200


def test_who_may_not_send(shelf_of_none: Collection) -> None:
    people = [signed_in(person) for person in (cast.alice(), cast.dora(), cast.otto(), cast.mallory())]
    for api in (*people, program(Action.READ_LIBRARY)):
        assert_problem(send(api, shelf_of_none), 403)
    assert_problem(send(Api(), shelf_of_none), 401)
    assert not Upload.objects.exists()


def test_uploads_of_collections_one_may_not_read_are_not_there(shelf_of_none: Collection, edith: Api) -> None:
    sent = send(edith, shelf_of_none).json()
    other = signed_in(editor("oscar", department="Cardiology"))
    assert other.get(f"library/uploads/{sent['id']}").status_code == 200
    Collection.objects.update(departments=["Oncology"])
    assert_problem(other.get(f"library/uploads/{sent['id']}"), 404)
    assert list(assert_problem(send(other, shelf_of_none), 400)["errors"]) == ["collection"]
    assert_problem(other.get(f"library/uploads/{uuid.uuid4()}"), 404)
    refused = AuditEvent.objects.filter(code=Code.AUTHZ_FAIL, object_type="chat.Upload")
    assert refused.filter(object_id=sent["id"]).count() == 1


def test_drafts_of_documents_one_may_not_read_are_not_told(shelf_of_none: Collection, edith: Api) -> None:
    sent = send(edith, shelf_of_none).json()
    uploads.read(uuid.UUID(sent["id"]))
    assert len(edith.get(f"library/uploads/{sent['id']}").json()["drafts"]) == 1
    Document.objects.update(departments=["Oncology"])
    assert edith.get(f"library/uploads/{sent['id']}").json()["drafts"] == []


def test_a_document_one_may_not_read_gets_no_version(shelf_of_none: Collection, edith: Api) -> None:
    shelf.load(shelf_of_none, shelf.source("The old text."))
    shelf.load(shelf.collection("other"), shelf.source("Elsewhere.", 2))
    elsewhere, closed = Document.objects.get(external_id="doc-2"), Document.objects.get(external_id="doc-1")
    Document.objects.filter(pk=closed.pk).update(departments=["Oncology"])
    for document in (elsewhere.pk, closed.pk, uuid.uuid4()):
        refused = assert_problem(send(edith, shelf_of_none, document=str(document)), 400)
        assert list(refused["errors"]) == ["document"]


# ── Refused ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_body_that_says_it_is_too_large_is_not_read(shelf_of_none: Collection, edith: Api) -> None:
    refused = assert_problem(raw(edith, b"--b\r\n", CONTENT_LENGTH=str(MAX_BYTES + 1_000_000)), 413)
    assert "25 MB" in refused["detail"]
    assert AuditEvent.objects.get(code=Code.INPUT_VALIDATION_FAIL).detail == {"step": "too large"}


def test_a_file_that_is_one_byte_too_large(shelf_of_none: Collection, edith: Api) -> None:
    file = SimpleUploadedFile("large.txt", b"a" * (MAX_BYTES + 1))
    headers = {"Authorization": f"Bearer {edith.access}"}
    form = {"collection": shelf_of_none.slug, "file": file}
    answer = edith.client.post("/api/library/uploads", form, headers=headers)
    assert "25 MB" in assert_problem(answer, 413)["detail"]
    assert not Upload.objects.exists()


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "application/pdf", "application/x-www-form-urlencoded", "x"]
)
def test_something_other_than_a_form(shelf_of_none: Collection, edith: Api, content_type: str) -> None:
    assert "multipart/form-data" in assert_problem(raw(edith, b'{"collection": "x"}', content_type), 415)["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"x",
        b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\nx",
        b"--b\r\nContent-Disposition: form-data; name=\"collection\"\r\n\r\n\xff\xfe\r\n--b--\r\n",
        b"--b\r\n\r\n\r\n--b--\r\n",
        b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n" * 1100 + b"--b--\r\n",
        b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx\r\n" * 200 + b"--b--\r\n",
    ],
    ids=["no part", "cut off", "not UTF-8", "no name", "many fields", "many files"],
)  # fmt: skip
def test_malformed_forms(shelf_of_none: Collection, edith: Api, body: bytes) -> None:
    assert_problem(raw(edith, body), 400)


def test_a_form_without_a_boundary(edith: Api) -> None:
    assert_problem(raw(edith, b"x", "multipart/form-data"), 400)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"collection": "nowhere"}, "collection"),
        ({"collection": "\x00"}, "collection"),
        ({"collection": "x" * 51}, "collection"),
        ({"document": "1"}, "document"),
        ({"document": "{00000000-0000-0000-0000-000000000000}"}, "document"),
        ({"ocr": "yes"}, "ocr"),
        ({"ocr": "1"}, "ocr"),
        ({"file": "a text"}, "file"),
        ({"file": SimpleUploadedFile("empty.md", b"")}, "file"),
        ({"title": "A title"}, "title"),
        ({"files": SimpleUploadedFile("x.md", b"x")}, "files"),
    ],
)
def test_fields_that_are_wrong(shelf_of_none: Collection, edith: Api, fields: dict[str, Any], wrong: str) -> None:
    form = {"collection": "protocols", "file": SimpleUploadedFile("x.md", b"A text.")} | fields
    headers = {"Authorization": f"Bearer {edith.access}"}
    answer = edith.client.post("/api/library/uploads", form, headers=headers)
    assert list(assert_problem(answer, 400)["errors"]) == [wrong]
    assert not Upload.objects.exists()


def test_nothing_is_kept_while_masking_does_not_work(
    shelf_of_none: Collection, edith: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise phi.PhiUnavailable

    monkeypatch.setattr(phi, "mask", broken)
    assert_problem(send(edith, shelf_of_none), 503)
    assert not Upload.objects.exists()


def test_what_the_malware_scanner_knows(shelf_of_none: Collection, edith: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def known(content: bytes) -> None:
        raise malware.Found("Win.Test.EICAR_HDB-1")

    monkeypatch.setattr(malware, "scan", known)
    assert "Nothing of it was kept" in assert_problem(send(edith, shelf_of_none), 422)["detail"]
    assert not Upload.objects.exists()


def test_nothing_is_taken_while_the_malware_scanner_is_away(
    shelf_of_none: Collection, edith: Api, settings: Any
) -> None:
    settings.CLAMD = ("127.0.0.1", 1)
    assert "scanner" in assert_problem(send(edith, shelf_of_none), 503)["detail"]
    assert not Upload.objects.exists()
