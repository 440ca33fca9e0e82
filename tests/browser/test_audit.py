"""The audit pages in a browser: search to proof by mouse and by keyboard, without scripts, and how they fit."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from compliance import audit, vault
from compliance.audit import seal
from compliance.models import ActorKind, AuditVerification, Clearance, Code, Crude, Outcome
from tests import cast
from tests.browser import checks
from tests.browser.conftest import Judged, SignIn

NUMBER = "00482913"


@pytest.fixture
def event_id() -> uuid.UUID:
    """A small trail: a read of a patient's conversation (its id is returned), a denial, a changed clearance."""
    alice = cast.alice()
    found = audit.record(
        code=Code.SENSITIVE_READ,
        action=Crude.READ,
        actor=alice,
        object_type="chat.Conversation",
        object_id=str(uuid.uuid4()),
        patient=vault.pseudonym(NUMBER),
    )
    audit.record(
        code=Code.AUTHZ_FAIL,
        action=Crude.EXECUTE,
        outcome=Outcome.DENIED,
        actor=cast.bob(),
        detail={"action": "admin.use"},
    )
    with audit.bind(actor=cast.ada(), kind=ActorKind.PERSON):
        Clearance.objects.filter(user=cast.bob()).update(revoked_at=timezone.now(), reason="Left")
    seal.seal_all()
    AuditVerification.objects.create(scope="full", ok=True, events=9, to_seal=1, seconds=0.1)
    return found


@pytest.fixture
def portal(transactional_db: None, live_server: object) -> str:
    """Without the starter library of the other browser tests: nothing is asked here."""
    return str(live_server)


def test_from_a_record_number_to_the_proof(open_as: SignIn, portal: str, event_id: uuid.UUID) -> None:
    page = open_as(cast.audra())
    watch = checks.Watch(page)
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(f"{portal}/compliance/audit/")
    page.get_by_label("Record number").fill(NUMBER)
    page.get_by_role("button", name="Find events").click()
    expect(page.get_by_text("Read conversation")).to_be_visible()
    page.locator("tr", has_text="Read conversation").get_by_role("rowheader").get_by_role("link").click()
    expect(page.get_by_role("heading", name="Read conversation")).to_be_visible()
    expect(page.get_by_text("Holds", exact=True)).to_be_visible()
    page.get_by_role("link", name="Their day").click()
    expect(page.get_by_role("heading", name=re.compile("^Alice Adeyemi on"))).to_be_visible()
    assert not [url for url in requested if NUMBER in url]
    assert watch.problems() == []


def test_one_search_is_exported_in_every_form(open_as: SignIn, portal: str, event_id: uuid.UUID) -> None:
    """A download leaves the page as it is: its buttons must still work."""
    page = open_as(cast.audra())
    page.goto(f"{portal}/compliance/audit/?person=alice@clinchat.example")
    for label, ending in (("CSV", ".csv"), ("JSON lines", ".jsonl"), ("FHIR", ".ndjson"), ("Bundle", ".zip")):
        with page.expect_download() as download:
            page.get_by_role("button", name=label).click()
        assert download.value.suggested_filename.endswith(ending)


def test_a_search_by_keyboard_without_scripts(open_as: SignIn, portal: str, event_id: uuid.UUID) -> None:
    page = open_as(cast.pat(), scripts=False)
    page.goto(f"{portal}/compliance/audit/")
    page.get_by_label("Person", exact=True).focus()
    page.keyboard.type("bob@clinchat.example")
    for label in ("Patient", "What happened", "Outcome"):
        page.keyboard.press("Tab")
        expect(page.get_by_label(label, exact=True)).to_be_focused()
    page.keyboard.type("Den")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Search", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Tried to use the admin pages")).to_be_visible()
    expect(page.get_by_role("heading", name="1 event")).to_be_visible()
    expect(page.get_by_label("Person", exact=True)).to_have_value("bob@clinchat.example")


def test_a_record_number_in_the_wrong_field_stays_in_the_browser(open_as: SignIn, portal: str) -> None:
    page = open_as(cast.audra())
    page.goto(f"{portal}/compliance/audit/")
    page.get_by_label("Patient", exact=True).fill(NUMBER)
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.get_by_label("Patient", exact=True)).to_be_focused()
    assert NUMBER not in page.url


def test_a_wrong_search_leads_to_the_field(open_as: SignIn, portal: str) -> None:
    page = open_as(cast.audra())
    page.goto(f"{portal}/compliance/audit/?since=2026-11-20&until=2026-11-01&kind=person")
    last = page.get_by_label("Last day")
    expect(last).to_be_focused()
    expect(last).to_have_accessible_description(re.compile("is before the first"))
    expect(page.get_by_label("Who acted")).to_have_value("person")


def test_an_export_is_a_download(open_as: SignIn, portal: str, event_id: uuid.UUID) -> None:
    page = open_as(cast.carol())
    page.goto(f"{portal}/compliance/audit/?outcome=denied")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    assert re.fullmatch(r"audit-\d{8}T\d{6}Z\.csv", download.value.suggested_filename)


def addresses(event_id: uuid.UUID) -> dict[str, Any]:
    alice, bob, carol = cast.alice(), cast.bob(), cast.carol()
    changed = audit.AuditEvent.objects.filter(object_type="compliance.Clearance", action="U").latest()
    today = timezone.localdate()
    return {
        "/compliance/audit/": cast.audra(),
        "/compliance/audit/?outcome=denied": carol,
        "/compliance/audit/?patient=P-0000000000000000": carol,
        "/compliance/audit/?since=2026-13-01&kind=robot": carol,
        reverse("audit-event", args=[event_id]): carol,
        reverse("audit-event", args=[changed.pk]): carol,
        reverse("audit-day", args=[alice.pk, today]): carol,
        reverse("audit-day", args=[bob.pk, today.replace(year=today.year - 1, day=1)]): carol,
        "/compliance/audit/retention/": carol,
    }


def test_pages_are_accessible_and_fit(judged: Judged, event_id: uuid.UUID) -> None:
    assert judged(addresses(event_id)) == []
