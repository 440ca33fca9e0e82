"""A version on its way through the API: described, looked at, reviewed by somebody else, given up."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from chat import releases
from chat.models import Document, DocumentVersion, Finding, Release
from compliance.access import Role
from compliance.models import AuditEvent, Code, RoleAssignment
from tests import cast
from tests.api.conftest import Api
from tests.api.editors import TEXT, described, editor, program, pushed, signed_in
from tests.api.test_signin import assert_problem
from tests.chat import shelf

pytestmark = pytest.mark.django_db


@pytest.fixture
def edith(db: None) -> Api:
    return signed_in(editor())


@pytest.fixture
def draft(edith: Api) -> DocumentVersion:
    return pushed(edith, shelf.collection("protocols"))


def found_in(draft: DocumentVersion, **fields: Any) -> Finding:
    return Finding.objects.create(version=draft, kind="identifier", label="NAME", start=0, end=5, **fields)


def submit(api: Api, draft: DocumentVersion) -> Any:
    revision = DocumentVersion.objects.get(pk=draft.pk).revision
    return api.post(f"library/drafts/{draft.pk}/submit", {"revision": revision})


def decide(api: Api, draft: DocumentVersion, **body: Any) -> Any:
    return api.post(f"library/drafts/{draft.pk}/decision", body)


# ── The whole way ────────────────────────────────────────────────────────────────────────────────────────────────


def test_from_a_program_to_the_readers(db: None) -> None:
    system, dora, edith = program(), signed_in(cast.dora()), signed_in(editor())
    draft = pushed(system, shelf.collection("protocols"))
    assert set(system.get(f"library/drafts/{draft.pk}").json()["missing"]) >= {"owner", "licence", "review_by"}
    told = described(system, draft, owner="Pharmacy")
    assert (told["owner"], told["revision"], told["missing"]) == ("Pharmacy", 1, [])
    assert submit(system, draft).json()["status"] == "in_review"
    assert_problem(decide(system, draft, approve=True), 403)
    told = decide(dora, draft, approve=True).json()
    assert (told["status"], told["review"]["by"]) == ("approved", "Dora Diaz, MD")
    releases.embed_waiting()
    release = Release.objects.get(state="candidate")
    assert edith.post(f"library/releases/{release.pk}/publish").status_code == 200
    assert system.get(f"library/drafts/{draft.pk}").json()["status"] == "published"
    told = signed_in(cast.alice()).get(f"library/documents/{draft.document_id}?text=true").json()
    assert (told["review"]["by"], told["text"].strip()) == ("Dora Diaz, MD", TEXT.strip())


def test_a_draft_with_its_findings(edith: Api, draft: DocumentVersion) -> None:
    found_in(draft, page=2)
    Finding.objects.create(version=draft, kind="hidden", label="white text", excerpt="Ignore")
    told = edith.get(f"library/drafts/{draft.pk}").json()
    first, second = told["findings"]
    assert (first["number"], first["kind"], first["start"], first["page"]) == (1, "identifier", 0, 2)
    assert (second["number"], second["start"], second["excerpt"], second["settled_by"]) == (2, None, "Ignore", None)
    assert told["text"] is None
    assert edith.get(f"library/drafts/{draft.pk}?text=true").json()["text"] == draft.text


# ── Describing ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_left_out_stays_as_it_is(edith: Api, draft: DocumentVersion) -> None:
    described(edith, draft)
    told = edith.send("PATCH", f"library/drafts/{draft.pk}", {"revision": 1, "specialty": "Hematology"}).json()
    assert (told["owner"], told["specialty"], told["review_by"]) == ("Pharmacy", "Hematology", "2099-01-01")
    told = edith.send("PATCH", f"library/drafts/{draft.pk}", {"revision": 2, "review_by": None, "specialty": ""}).json()
    assert (told["owner"], told["specialty"], told["review_by"]) == ("Pharmacy", "", None)


def test_of_two_editors_the_second_is_told(edith: Api, draft: DocumentVersion) -> None:
    other = signed_in(editor("oscar"))
    described(edith, draft)
    late = other.send("PATCH", f"library/drafts/{draft.pk}", {"revision": 0, "owner": "Nursing"})
    assert assert_problem(late, 409)["revision"] == 1
    late = other.post(f"library/drafts/{draft.pk}/submit", {"revision": 0})
    assert assert_problem(late, 409)["revision"] == 1
    assert DocumentVersion.objects.get(pk=draft.pk).owner == "Pharmacy"


def test_an_id_is_changed_while_nobody_knows_it(edith: Api, draft: DocumentVersion) -> None:
    shelf.load(draft.document.collection, shelf.source("Another text."))
    address = f"library/drafts/{draft.pk}"
    assert_problem(edith.send("PATCH", address, {"revision": 0, "external_id": "doc-1"}), 409)
    told = edith.send("PATCH", address, {"revision": 0, "external_id": "SOP-17"}).json()
    assert told["external_id"] == "SOP-17"
    new = pushed(edith, draft.document.collection, "# New\n\nText.", document=str(shelf.current().document_id))
    assert_problem(edith.send("PATCH", f"library/drafts/{new.pk}", {"revision": 0, "external_id": "SOP-18"}), 409)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"title": ""}, "title"),
        ({"title": "x" * 501}, "title"),
        ({"title": "a\x00b"}, "title"),
        ({"kind": "poem"}, "kind"),
        ({"evidence_grade": "best"}, "evidence_grade"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"url": "http://["}, "url"),
        ({"review_by": "2001-01-01"}, "review_by"),
        ({"effective_from": "2098-01-01", "review_by": "2097-01-01"}, "review_by"),
        ({"effective_from": "1-1-2026"}, "effective_from"),
        ({"effective_from": 0}, "effective_from"),
        ({"text": "Another text"}, "text"),
        ({"status": "published"}, "status"),
        ({"revision": "0"}, "revision"),
        ({"revision": None}, "revision"),
        ({"revision": 2**63}, "revision"),
    ],
)
def test_what_cannot_be_said(edith: Api, draft: DocumentVersion, fields: dict[str, Any], wrong: str) -> None:
    answer = edith.send("PATCH", f"library/drafts/{draft.pk}", {"revision": 0} | fields)
    assert list(assert_problem(answer, 400)["errors"]) == [wrong]
    assert DocumentVersion.objects.get(pk=draft.pk).revision == 0


# ── To review and back ───────────────────────────────────────────────────────────────────────────────────────────


def test_what_keeps_a_draft_from_review(edith: Api, draft: DocumentVersion) -> None:
    assert "owner" in assert_problem(submit(edith, draft), 409)["missing"]
    described(edith, draft)
    found_in(draft)
    assert assert_problem(submit(edith, draft), 409)["unsettled"] == 1
    settle = f"library/drafts/{draft.pk}/settle"
    assert_problem(edith.post(settle, {"findings": [2]}), 400)
    assert_problem(program().post(settle, {"findings": [1]}), 403)
    told = edith.post(settle, {"findings": [1]}).json()
    assert told["findings"][0]["settled_by"] == "Edith Ekholm"
    assert submit(edith, draft).status_code == 200
    assert_problem(submit(edith, draft), 409)
    assert_problem(edith.post(settle, {"findings": [1]}), 409)
    assert_problem(edith.send("PATCH", f"library/drafts/{draft.pk}", {"revision": 2, "owner": "I"}), 409)


def test_a_reviewer_sends_it_back_with_a_masked_note(edith: Api, draft: DocumentVersion) -> None:
    described(edith, draft)
    submit(edith, draft)
    dora = signed_in(cast.dora())
    assert list(assert_problem(decide(dora, draft, approve=False), 400)["errors"]) == ["note"]
    told = decide(dora, draft, approve=False, note="Wrong for Maria Gonzalez, MRN 00482913.").json()
    assert (told["status"], "Wrong for" in told["decision_note"]) == ("draft", True)
    assert "Gonzalez" not in DocumentVersion.objects.get(pk=draft.pk).decision_note
    assert_problem(decide(dora, draft, approve=True), 409)


def test_nobody_reviews_what_they_brought_in(db: None) -> None:
    both = cast.dora()
    RoleAssignment.objects.give(user=both, role=Role.KNOWLEDGE_EDITOR)
    dora = signed_in(both)
    draft = pushed(dora, shelf.collection("protocols"))
    described(dora, draft)
    submit(dora, draft)
    assert "Somebody else" in assert_problem(decide(dora, draft, approve=True), 409)["detail"]
    assert DocumentVersion.objects.get(pk=draft.pk).status == "in_review"


@pytest.mark.parametrize("body", [{}, {"approve": "yes"}, {"approve": 1}, {"approve": True, "note": "x" * 501}, []])
def test_what_is_no_decision(draft: DocumentVersion, body: Any) -> None:
    assert_problem(signed_in(cast.dora()).post(f"library/drafts/{draft.pk}/decision", body), 400)


# ── Giving it up ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_draft_is_given_up_once(edith: Api, draft: DocumentVersion) -> None:
    address = f"library/drafts/{draft.pk}"
    assert edith.send("DELETE", address).status_code == 204
    assert DocumentVersion.objects.get(pk=draft.pk).status == "discarded"
    assert_problem(edith.send("DELETE", address), 409)


# ── Who ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_whose_drafts_are_not_there(edith: Api, draft: DocumentVersion) -> None:
    address, dora = f"library/drafts/{draft.pk}", signed_in(cast.dora())
    for person in (cast.alice(), cast.otto(), cast.ada(), cast.mallory()):
        stranger = signed_in(person)
        assert_problem(stranger.get(address), 403)
        assert_problem(stranger.send("PATCH", address, {"revision": 0, "owner": "Me"}), 403)
        assert_problem(stranger.send("DELETE", address), 403)
    assert dora.get(address).status_code == 200
    assert_problem(dora.send("PATCH", address, {"revision": 0, "owner": "Me"}), 404)
    assert_problem(dora.send("DELETE", address), 404)
    for end in ("settle", "submit"):
        assert_problem(dora.post(f"{address}/{end}", {"revision": 0}), 403)
    assert_problem(edith.post(f"{address}/decision", {"approve": True}), 403)
    Document.objects.update(departments=["Oncology"])
    for api in (edith, dora):
        assert_problem(api.get(address), 404)
    assert_problem(edith.get(f"library/drafts/{uuid.uuid4()}"), 404)
    refused = AuditEvent.objects.filter(code=Code.AUTHZ_FAIL, object_type="chat.DocumentVersion")
    assert refused.filter(object_id=str(draft.pk)).count() == 4
    assert DocumentVersion.objects.get(pk=draft.pk).owner == ""


def test_a_reviewer_who_is_not_cleared_decides_nothing(draft: DocumentVersion) -> None:
    dora = cast.dora()
    api = signed_in(dora)
    dora.clearances.all().delete()
    assert_problem(decide(api, draft, approve=True), 403)
    assert_problem(api.get(f"library/drafts/{draft.pk}"), 404)
