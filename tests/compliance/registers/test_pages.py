"""The pages of the registers: who gets in, what is kept of what they send, and what they are told."""

from __future__ import annotations

import hashlib
import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from chat.models import Conversation
from clinchat.lib import clock
from compliance import policies, vault
from compliance.controls import discovery
from compliance.models import (
    Amendment,
    Asset,
    AuditEvent,
    AuditReview,
    Disclosure,
    Exercise,
    Official,
    PolicyVersion,
    Risk,
    RiskApproval,
    User,
    Vendor,
)
from compliance.registers import reviews
from tests import cast

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
BASE = "/compliance/"
READ = ("risks", "assets", "vendors", "officials", "exercises", "policies")
TO_KEEP = ("risks/new", "assets/new", "vendors/new", "officials/name", "exercises/new")
TYPED = "A note for Mr. Delacroix, MRN 88231904."


@pytest.fixture(autouse=True)
def _found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [discovery.Discovered(Asset.Kind.QUEUE, "redis:6379", True, "queue and cache")]
    monkeypatch.setattr(discovery, "discover", lambda: found)


def of(person: User) -> Client:
    return cast.sign_in(Client(), person)


def sent(client: Client, path: str, **data: Any) -> HttpResponse:
    return client.post(f"{BASE}{path}/", data)  # type: ignore[return-value]  # the test client's response


def text(answer: Any) -> str:
    return str(answer.content.decode())


def test_who_reads_and_who_keeps() -> None:
    reads = {"pat": 200, "carol": 200, "audra": 200, "otto": 200, "ada": 200, "alice": 403, "mallory": 403}
    for name, status in reads.items():
        client = of(getattr(cast, name)())
        for path in READ:
            assert client.get(f"{BASE}{path}/").status_code == status, (name, path)
    for name, status in {"pat": 200, "sam": 200, "audra": 403, "otto": 403, "ada": 403}.items():
        client = of(getattr(cast, name)())
        for path in TO_KEEP:
            assert client.get(f"{BASE}{path}/").status_code == status, (name, path)


def test_the_links_are_those_a_reader_may_open() -> None:
    page = text(of(cast.otto()).get(f"{BASE}risks/"))
    assert "/compliance/vendors/" in page
    for absent in ("/compliance/reviews/", "/compliance/disclosures/", "risks/new/", "risks/approve/"):
        assert absent not in page


# ── Risks and assets ───────────────────────────────────────────────────────────────────────────────────────────


def risk_form(owner: User, /, **fields: Any) -> dict[str, Any]:
    given = {"title": "Stolen laptop", "threat": TYPED, "likelihood": "3", "impact": "5", "treatment": "Encrypt."}
    due = (timezone.localdate() + 30 * DAY).isoformat()
    return given | {"status": "open", "owner": str(owner.pk), "due": due} | fields


def test_a_risk_is_added_found_changed_put_off_and_approved() -> None:
    carol, sam = of(cast.carol()), of(cast.sam())
    sent(carol, "assets/declare", kind="queue", address="redis:6379")
    asset = Asset.objects.get()
    assert sent(carol, "risks/new", **risk_form(cast.carol(), assets=[str(asset.pk)])).status_code == 302
    risk = Risk.objects.get()
    assert "Delacroix" not in risk.threat
    assert "88231904" not in risk.threat
    page = text(carol.get(f"{BASE}risks/?show=high&status=open"))
    assert "Stolen laptop" in page
    assert "Stolen laptop" not in text(carol.get(f"{BASE}risks/?show=low"))
    assert "Stolen laptop" not in text(carol.get(f"{BASE}risks/?status=overdue"))
    assert "Stolen laptop" in text(carol.get(f"{BASE}risks/?status=nonsense&show=%00"))
    path = f"risks/{risk.pk}"
    later = (timezone.localdate() + 60 * DAY).isoformat()
    refused = sent(carol, f"{path}/edit", **risk_form(cast.carol(), due=later))
    assert "Put off" in text(refused)
    assert "Choose a date after" in text(sent(carol, f"{path}/defer", due=timezone.localdate().isoformat()))
    sent(carol, f"{path}/defer", due=later)
    risk.refresh_from_db()
    assert (risk.deferrals, risk.due.isoformat() if risk.due else "") == (1, later)
    sent(carol, f"{path}/edit", **risk_form(cast.carol(), title="Lost laptop", due=later, assets=[str(asset.pk)]))
    assert "Lost laptop" in text(carol.get(f"{BASE}{path}/"))
    assert "somebody else" in text(carol.post(f"{BASE}risks/approve/", follow=True))
    assert AuditEvent.objects.filter(code="authz_fail", detail__rule="SecondPersonNeeded").exists()
    assert "Version 1 is approved" in text(sam.post(f"{BASE}risks/approve/", follow=True))
    version = RiskApproval.objects.get()
    assert "Lost laptop" in text(of(cast.audra()).get(f"{BASE}risks/versions/{version.pk}/"))


def test_a_register_that_is_not_whole_is_refused_with_words() -> None:
    assert "No asset with ePHI is declared." in text(of(cast.sam()).post(f"{BASE}risks/approve/", follow=True))
    assert of(cast.pat()).post(f"{BASE}risks/approve/").status_code == 403
    assert not RiskApproval.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": ""},
        {"title": "x" * 151},
        {"likelihood": "6"},
        {"impact": "many"},
        {"status": "gone"},
        {"due": "2026-02-30"},
        {"due": ""},
        {"owner": "nobody"},
        {"assets": ["nothing"]},
        {"assets": ["00000000-0000-0000-0000-000000000000"]},
        {"threat": "\x00"},
    ],
)
def test_a_risk_that_is_not_right_is_refused_at_its_field(wrong: dict[str, Any]) -> None:
    answer = sent(of(cast.carol()), "risks/new", **risk_form(cast.carol(), **wrong))
    assert answer.status_code == 200
    assert 'class="err"' in text(answer)
    assert not Risk.objects.exists()


def test_what_is_found_is_declared_with_one_click_and_changed_and_retired() -> None:
    carol = of(cast.carol())
    page = text(carol.get(f"{BASE}assets/"))
    assert "One found running and not declared." in page
    assert sent(carol, "assets/declare", kind="queue", address="redis:1").status_code == 302
    assert not Asset.objects.exists()
    sent(carol, "assets/declare", kind="nonsense")
    sent(carol, "assets/declare", kind="queue", address="redis:6379")
    asset = Asset.objects.get()
    assert "are the same" in text(carol.get(f"{BASE}assets/"))
    form = {"name": "Redis", "kind": "queue", "address": "redis:6379", "ephi": "on", "purpose": "Counters"}
    sent(carol, f"assets/{asset.pk}/edit", **form)
    assert "Redis" in text(carol.get(f"{BASE}assets/"))
    assert "declared already" in text(sent(carol, "assets/new", **form))
    assert 'class="err"' in text(sent(carol, "assets/new", **form | {"address": "a b"}))
    sent(carol, f"assets/{asset.pk}/retire")
    asset.refresh_from_db()
    assert asset.retired_at
    assert "retired already" in text(carol.post(f"{BASE}assets/{asset.pk}/retire/", follow=True))
    assert of(cast.audra()).post(f"{BASE}assets/declare/").status_code == 403


# ── Vendors, officials, exercises ──────────────────────────────────────────────────────────────────────────────


def test_a_vendor_and_its_agreement_whose_file_is_hashed() -> None:
    pat, today = of(cast.pat()), timezone.localdate()
    form = {"name": "Hosting company", "service": "Runs the servers", "hosts": "A.test\nb.test", "receives_phi": "on"}
    sent(pat, "vendors/new", **form)
    vendor = Vendor.objects.get()
    assert vendor.hosts == ["a.test", "b.test"]
    assert "No agreement" in text(pat.get(f"{BASE}vendors/"))
    assert "already" in text(sent(pat, "vendors/new", **form))
    assert 'class="err"' in text(sent(pat, "vendors/new", **form | {"hosts": "not a host!"}))
    path = f"vendors/{vendor.pk}"
    dates = {"signed_on": today.isoformat(), "expires_on": (today + 20 * DAY).isoformat(), "document_name": "BAA"}
    assert 'class="err"' in text(sent(pat, f"{path}/agreement", **dates))
    empty = SimpleUploadedFile("baa.pdf", b"")
    assert 'class="err"' in text(sent(pat, f"{path}/agreement", **dates, document=empty))
    late = dates | {"signed_on": (today + DAY).isoformat()}
    assert "in the future" in text(sent(pat, f"{path}/agreement", **late, document=SimpleUploadedFile("b", b"x")))
    sent(pat, f"{path}/agreement", **dates, document=SimpleUploadedFile("baa.pdf", b"signed"))
    one = vendor.agreements.get()
    page = text(pat.get(f"{BASE}{path}/"))
    assert one.artifact_sha256 in page
    assert "not kept here" in page
    assert "Ends soon" in text(pat.get(f"{BASE}vendors/"))
    sent(pat, f"{path}/edit", **form | {"service": "Runs everything"})
    sent(pat, f"{path}/end")
    assert "no longer used" in text(pat.post(f"{BASE}{path}/end/", follow=True))
    assert of(cast.ada()).post(f"{BASE}{path}/end/").status_code == 403


def test_an_official_is_named_and_relieved() -> None:
    carol, sam = of(cast.carol()), cast.sam()
    form = {"office": "security_official", "deputy": "", "person": str(sam.pk)}
    sent(carol, "officials/name", **form)
    assert Official.objects.get(until=None).person == sam
    assert "Nobody deputizes" in text(sent(carol, "officials/name", **form | {"deputy": "deputy"}))
    assert "role of this office" in text(sent(carol, "officials/name", **form | {"office": "privacy_official"}))
    for wrong in ({"office": "king"}, {"person": str(cast.alice().pk)}, {"deputy": "both"}):
        assert 'class="err"' in text(sent(carol, "officials/name", **form | wrong))
    User.objects.filter(pk=sam.pk).update(is_active=False)
    assert "Account closed" in text(carol.get(f"{BASE}officials/"))
    sent(carol, f"officials/{Official.objects.get().pk}/relieve")
    assert not Official.objects.filter(until=None).exists()
    old = cast.sign_in(Client(), cast.carol(), proved=False)
    assert "/signin/again/" in old.post(f"{BASE}officials/name/", form)["Location"]


def test_an_exercise_is_recorded_and_its_actions_are_closed() -> None:
    sam, today = of(cast.sam()), timezone.localdate()
    form = {"kind": "game_day", "held_on": today.isoformat(), "scenario": TYPED, "losses": ["key"], "open_actions": "2"}
    for wrong in ({"losses": ["all"]}, {"open_actions": "-1"}, {"held_on": (today + DAY).isoformat()}):
        assert 'class="err"' in text(sent(sam, "exercises/new", **form | wrong))
    sent(sam, "exercises/new", **form)
    one = Exercise.objects.get()
    assert "Delacroix" not in one.scenario
    assert "Not all four" in text(sam.get(f"{BASE}exercises/"))
    again = {"open_actions": "2", "lessons": "Done."}
    assert "fewer" in text(sent(sam, f"exercises/{one.pk}/follow-up", **again))
    sent(sam, f"exercises/{one.pk}/follow-up", **again | {"open_actions": "0"})
    assert "No action open" in text(sam.get(f"{BASE}exercises/"))


# ── Reviews and policies ───────────────────────────────────────────────────────────────────────────────────────


def test_a_week_is_looked_at_and_signed() -> None:
    pat, week = of(cast.pat()), reviews.weeks(2)[1]
    path = f"reviews/{week}"
    assert "Sign that you reviewed" in text(pat.get(f"{BASE}{path}/"))
    assert 'class="err"' in text(sent(pat, f"{path}/sign", conclusion=""))
    sent(pat, f"{path}/sign", conclusion=TYPED)
    assert "Delacroix" not in AuditReview.objects.get().conclusion
    assert "signed this week already" in text(pat.post(f"{BASE}{path}/sign/", {"conclusion": "Again"}, follow=True))
    assert "Signed" in text(pat.get(f"{BASE}reviews/"))
    assert AuditEvent.objects.filter(object_type="compliance.AuditReview", action="R").count() >= 3
    for wrong in (week + DAY, reviews.weeks(1)[0] + 7 * DAY, timezone.localdate().replace(year=2099, day=1)):
        assert pat.get(f"{BASE}reviews/{wrong}/").status_code == 404
    for name, reads, signs in (("otto", 403, 403), ("audra", 200, 403), ("ada", 200, 403), ("sam", 200, 302)):
        client = of(getattr(cast, name)())
        assert client.get(f"{BASE}{path}/").status_code == reads, name
        assert sent(client, f"{path}/sign", conclusion="Calm.").status_code == signs, name


def test_policies_with_every_version_and_who_has_not_accepted() -> None:
    given = {"slug": "p", "number": 1, "title": "Conduct", "change": "New.", "sha256": "0" * 64}
    old = PolicyVersion.objects.create(version="1", text="## Old words", published_at=clock.now() - 90 * DAY, **given)
    new = PolicyVersion.objects.create(version="2", text="**New** words", in_force=True, material=True, **given)
    alice, bob = cast.alice(), cast.bob()
    policies.acknowledge(person=alice, policy=new)
    pat, otto = of(cast.pat()), of(cast.otto())
    page = text(pat.get(f"{BASE}policies/{new.pk}/"))
    assert "<strong>New</strong> words" in page
    assert bob.name in page.partition("Have not accepted it")[2].partition("Accepted")[0]
    assert alice.name in page.partition("Accepted</h3>")[2]
    assert bob.name not in text(otto.get(f"{BASE}policies/{new.pk}/"))
    assert "Earlier version" in text(otto.get(f"{BASE}policies/{old.pk}/"))
    assert "Conduct" in text(otto.get(f"{BASE}policies/"))


# ── Disclosures and amendments ─────────────────────────────────────────────────────────────────────────────────


def test_disclosures_are_for_those_who_keep_them() -> None:
    for name, status in {"pat": 200, "carol": 200, "sam": 403, "audra": 403, "ada": 403, "otto": 403}.items():
        client = of(getattr(cast, name)())
        for path in ("disclosures", "disclosures/new", "amendments", "amendments/new"):
            assert client.get(f"{BASE}{path}/").status_code == status, (name, path)


def test_a_disclosure_is_recorded_accounted_for_and_exported() -> None:
    pat, today = of(cast.pat()), timezone.localdate()
    form = {"record_number": "88231904", "disclosed_on": today.isoformat(), "recipient": "County court"}
    form |= {"what": "Answer about a dose", "why": TYPED}
    for wrong in ({"record_number": ""}, {"record_number": "x" * 65}, {"disclosed_on": (today + DAY).isoformat()}):
        assert 'class="err"' in text(sent(pat, "disclosures/new", **form | wrong))
    assert 'class="err"' in text(sent(pat, "disclosures/new", **form | {"record_number": "8\u202e8"}))
    sent(pat, "disclosures/new", **form)
    one, pseudonym = Disclosure.objects.get(), vault.pseudonym("88231904")
    assert (one.patient, one.recipient) == (pseudonym, "County court")
    assert "Delacroix" not in one.why
    found = sent(pat, "disclosures/patient", record_number="88231904")
    assert found["Location"] == f"{BASE}disclosures/?patient={pseudonym}"
    assert "County court" in text(pat.get(found["Location"]))
    assert pat.get(f"{BASE}disclosures/?patient=88231904").status_code == 404
    file = sent(pat, "disclosures/export", patient=pseudonym)
    assert file["Content-Type"].startswith("text/csv")
    assert io.StringIO(text(file)).readline().strip() == "Date,Recipient,What,Why"
    assert "County court" in text(file)
    assert sent(pat, "disclosures/export", patient="88231904").status_code == 404
    exported = AuditEvent.objects.get(detail__export="csv")
    assert (exported.patient, exported.object_type) == (pseudonym, "compliance.Disclosure")
    handed = AuditEvent.objects.get(object_type="compliance.Export", object_id=str(exported.pk))
    assert handed.detail == {"sha256": hashlib.sha256(file.content).hexdigest(), "count": 1}
    kept = str(list(AuditEvent.objects.values_list("detail", "changes", "object_id", "patient")))
    assert "88231904" not in kept


def test_a_request_is_recorded_and_answered() -> None:
    pat, today = of(cast.pat()), timezone.localdate()
    conversation = Conversation.objects.create(author=cast.alice(), title="A question")
    form = {"record_number": "88231904", "kind": "chat.Conversation", "record_id": str(conversation.pk)}
    form |= {"asked_on": (today - 70 * DAY).isoformat()}
    for wrong in ({"record_id": str(cast.pat().pk)}, {"record_id": "7"}, {"kind": "x"}, {"asked_on": "2099-01-01"}):
        assert 'class="err"' in text(sent(pat, "amendments/new", **form | wrong))
    sent(pat, "amendments/new", **form)
    one = Amendment.objects.get()
    assert "Was due" in text(pat.get(f"{BASE}amendments/"))
    answer = {"decision": "denied", "answered_on": today.isoformat(), "statement": TYPED}
    for wrong in ({"decision": "perhaps"}, {"answered_on": (today + DAY).isoformat()}):
        assert 'class="err"' in text(sent(pat, f"amendments/{one.pk}", **answer | wrong))
    sent(pat, f"amendments/{one.pk}", **answer)
    one.refresh_from_db()
    assert one.decision == "denied"
    assert "Delacroix" not in one.statement
    assert "answered already" in text(sent(pat, f"amendments/{one.pk}", **answer))
    assert "Too late" in text(pat.get(f"{BASE}amendments/"))
    read = AuditEvent.objects.filter(object_type="compliance.Amendment", action="R", patient=one.patient)
    assert read.exists()
