"""What an auditor gets about one person: the form as it was shown, the answers in words, and who granted what."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.http import FileResponse
from django.test import Client

from clinchat.lib import pdf
from compliance import audit
from compliance.models import AuditEvent, User
from tests import cast
from tests.training import certified, making_oversight
from training import evidence
from training.bank import wording
from training.models import AccessRequest, Answer, Attempt, Certificate, StageDecision

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(db: None) -> User:
    certified.load_content()
    alice, version = cast.alice(), making_oversight.module()
    making_oversight.sat(alice, version, wrong=5)
    certified.certify(alice, slug="hipaa")
    User.objects.filter(pk=alice.pk).update(department="=cmd|' /C calc'!A0")
    request = AccessRequest.objects.create(person=alice)
    StageDecision.objects.create(
        request=request,
        applicant=alice,
        round=1,
        step="identity",
        before="trained",
        after="identified",
        by=cast.sam(),
        proved_at=request.opened_at,
        granted="Nothing yet; the next stage may look.",
    )
    alice.refresh_from_db()
    return alice


def fetch(person: User, address: str) -> Any:
    return cast.sign_in(Client(), person).post(f"/compliance/training/{address}")


def rows(response: Any) -> list[dict[str, str]]:
    assert isinstance(response, FileResponse)
    text = b"".join(response.streaming_content).decode()  # type: ignore[arg-type]
    return list(csv.DictReader(io.StringIO(text)))


def test_the_form_is_there_as_shown_and_as_answered(alice: User) -> None:
    found = rows(fetch(cast.audra(), f"people/{alice.pk}/evidence.csv"))
    questions = [row for row in found if row["record"] == "question"]
    [attempt] = [row for row in found if row["record"] == "attempt"]
    assert len(questions) == 14
    assert [row["given"] for row in questions].count(wording.OPEN) == 5
    assert (attempt["points"], attempt["of"], attempt["result"]) == ("9", "14", "not passed")
    assert evidence.ATTESTED in attempt["note"]
    items = {item.key: item for item in making_oversight.module().module.items}
    for answer, row in zip(Answer.objects.all(), questions, strict=True):
        item = items[answer.item]
        assert item.question in row["what"]
        for text in [option.text for option in item.options]:
            assert text in row["shown"]
        if item.options:
            assert row["shown"].startswith(f"1) {item.options[answer.orders[0][0]].text}"), "in the order shown"
    approval = next(row for row in found if row["record"] == "approval")
    assert (approval["given"], approval["by"]) == ("Nothing yet; the next stage may look.", "Sam Sato")
    assert {row["department"] for row in found} == {"'=cmd|' /C calc'!A0"}, "a spreadsheet runs nothing"
    event = AuditEvent.objects.filter(object_id=str(alice.pk), code=audit.Code.SENSITIVE_READ).latest("timestamp")
    assert event.detail["export"] == "csv"


def test_no_point_tells_what_was_right_while_an_attempt_is_left(alice: User) -> None:
    Attempt.objects.create(enrolment=Attempt.objects.get().enrolment, number=2)
    found = rows(fetch(cast.audra(), f"people/{alice.pk}/evidence.csv"))
    assert {row["points"] for row in found if row["record"] == "question"} == {""}
    assert "9" in {row["points"] for row in found if row["record"] == "attempt"}


def test_everybody_is_in_one_file_and_closed_accounts_too(alice: User) -> None:
    bob = cast.bob()
    certified.certify(bob, slug="hipaa")
    User.objects.filter(pk=bob.pk).update(is_active=False)
    found = rows(fetch(cast.carol(), "evidence.csv"))
    assert {row["name"] for row in found} == {"Alice Adeyemi", "Bob Brandt"}


def test_as_a_document(alice: User) -> None:
    made = b"".join(fetch(cast.carol(), f"people/{alice.pk}/evidence.pdf").streaming_content)
    assert made.startswith(b"%PDF-")
    assert made.count(b"/Type /Page\n") >= 3


@pytest.mark.parametrize("text", ["\ud800\x00\u202e", "日本語 🩺 العربية", "W" * 9_000, "", "a\n" * 400])
def test_no_text_breaks_a_document(text: str) -> None:
    made = pdf.Document(title=text, as_of=text)
    made.heading(text)
    made.paragraph(text)
    made.table([text[:20], "b"], [[text, text], ["", text]], widths=[5, 95])
    assert made.made().startswith(b"%PDF-")


def test_who_may_not_export_gets_nothing_and_too_many_are_refused(alice: User, settings: Any) -> None:
    for person in (cast.dora(), cast.sam(), alice):
        for address in (f"people/{alice.pk}/evidence.csv", f"people/{alice.pk}/evidence.pdf", "evidence.csv"):
            assert fetch(person, address).status_code == 403, person.name
    settings.LIMITS = {**settings.LIMITS, "export": (1, 3600)}
    assert fetch(cast.carol(), f"people/{alice.pk}/evidence.csv").status_code == 200
    assert fetch(cast.carol(), f"people/{alice.pk}/evidence.csv").status_code == 429


def test_the_page_shows_what_there_is(alice: User) -> None:
    page = cast.sign_in(Client(), cast.sam()).get(f"/compliance/training/people/{alice.pk}/").content.decode()
    assert "9 of 14" in page
    assert Certificate.objects.get(person=alice).title in page
    assert "evidence.csv" not in page, "only for who may export"
