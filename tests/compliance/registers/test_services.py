"""What the services of the registers do, and refuse."""

from __future__ import annotations

import hashlib
import uuid
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from chat.models import Conversation
from clinchat.lib import clock
from compliance import audit, vault
from compliance.access import Role
from compliance.controls import canary, discovery
from compliance.models import (
    Amendment,
    Asset,
    AuditEvent,
    AuditReview,
    Disclosure,
    Exercise,
    Official,
    Risk,
    RoleAssignment,
    User,
)
from compliance.registers import (
    amendments,
    assets,
    disclosures,
    exercises,
    officials,
    patients,
    reviews,
    risks,
    vendors,
)
from tests import cast
from tests.factories import make_user

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def today() -> date:
    return timezone.localdate()


def asset(address: str = "db:5432", **fields: Any) -> Asset:
    given: dict[str, Any] = {"name": "Database", "kind": Asset.Kind.DATABASE, "ephi": True, "purpose": "Everything"}
    return assets.declare(address=address, by=cast.carol(), **given | fields)


def risk(owner: User, *linked: Asset, **fields: Any) -> Risk:
    given: dict[str, Any] = {
        "title": "Lost disk",
        "threat": "A disk is stolen.",
        "likelihood": 2,
        "impact": 4,
        "treatment": "Sealed values.",
        "status": Risk.Status.OPEN,
        "due": today() + 30 * DAY,
    }
    return risks.add(owner=owner, assets=linked, **given | fields)


# ── Assets ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_asset_is_declared_once_and_its_inventory_change_is_dated() -> None:
    one = asset()
    with pytest.raises(assets.DeclaredAlready):
        asset()
    asset(kind=Asset.Kind.OTHER)  # the same address of another kind is another thing
    before = one.changed_at
    same: dict[str, Any] = {"kind": Asset.Kind.DATABASE, "address": "db:5432", "ephi": True}
    assert assets.change(asset_id=one.pk, name="Main database", purpose="All", **same).changed_at == before
    assert assets.change(asset_id=one.pk, name="Main", purpose="All", **same | {"ephi": False}).changed_at > before


def test_a_retired_asset_stays_and_its_address_can_be_declared_anew() -> None:
    one = asset()
    assets.retire(asset_id=one.pk)
    with pytest.raises(assets.Retired):
        assets.retire(asset_id=one.pk)
    with pytest.raises(assets.Retired):
        assets.change(asset_id=one.pk, name="x", kind=Asset.Kind.OTHER, address="x", ephi=False, purpose="x")
    asset()
    with pytest.raises(DatabaseError), transaction.atomic():
        Asset.objects.filter(pk=one.pk).delete()


def test_what_is_found_is_declared_as_it_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [discovery.Discovered(Asset.Kind.QUEUE, "redis:6379", True, "queue and cache")]
    monkeypatch.setattr(discovery, "discover", lambda: found)
    declared = asset("elsewhere:1")
    first, second = assets.side_by_side()
    assert (first.declared, first.found, first.address) == (None, True, "redis:6379")
    assert (second.declared, second.found) == (declared, False)
    made = assets.declare_found(kind="queue", address="redis:6379", by=cast.sam())
    assert (made.name, made.ephi, made.purpose) == ("Queue and cache", True, assets.FOUND)
    with pytest.raises(assets.DeclaredAlready):
        assets.declare_found(kind="queue", address="redis:6379", by=cast.sam())
    with pytest.raises(assets.NotFound):
        assets.declare_found(kind="queue", address="redis:6380", by=cast.sam())
    assets.change(asset_id=made.pk, name="x", kind=Asset.Kind.QUEUE, address="redis:6379", ephi=False, purpose="x")
    assert [line.ephi_differs for line in assets.side_by_side()] == [False, True]


# ── Risks ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_risk_is_put_off_only_with_a_count() -> None:
    one = risk(cast.carol())
    fields = {"title": "x", "threat": "x", "likelihood": 1, "impact": 1, "treatment": "x", "owner": cast.carol()}
    later = {**fields, "status": Risk.Status.OPEN, "due": today() + 60 * DAY}
    with pytest.raises(risks.DateMoved):
        risks.change(risk_id=one.pk, assets=[], **later)
    with pytest.raises(risks.NotLater):
        risks.defer(risk_id=one.pk, due=today() + 30 * DAY)
    assert risks.defer(risk_id=one.pk, due=today() + 60 * DAY).deferrals == 1
    assert risks.change(risk_id=one.pk, assets=[], **later | {"due": today() + DAY}).deferrals == 1
    risks.change(risk_id=one.pk, assets=[], **later | {"status": Risk.Status.TREATED, "due": None})
    with pytest.raises(risks.NotOpen):
        risks.defer(risk_id=one.pk, due=today() + 90 * DAY)
    assert risks.change(risk_id=one.pk, assets=[], **later).deferrals == 2  # to open it again is to put it off


def test_an_open_risk_has_a_date_and_an_owner_with_an_open_account() -> None:
    gone = make_user(is_active=False)
    with pytest.raises(risks.NoDate):
        risk(cast.carol(), due=None)
    with pytest.raises(risks.OwnerGone):
        risk(gone)
    assert [risk(cast.carol()).number, risk(cast.carol(), status=Risk.Status.ACCEPTED, due=None).number] == [1, 2]


def test_a_register_is_approved_whole_by_somebody_else_and_kept_as_it_was() -> None:
    carol, sam = cast.carol(), cast.sam()
    one = asset()
    with pytest.raises(risks.NotComplete) as refused:
        risks.approve(by=sam)
    assert refused.value.reasons == ["No risk is linked to Database."]
    with audit.bind(actor=carol):
        added = risk(carol, one)
    with pytest.raises(risks.SecondPersonNeeded):  # she changed it last, and owns every open risk
        risks.approve(by=carol)
    version = risks.approve(by=sam)
    assert (version.number, version.register["risks"][0]["title"]) == (1, "Lost disk")
    assert version.sha256 == risks.digest(version.register)
    with audit.bind(actor=sam):
        risks.defer(risk_id=added.pk, due=today() + 90 * DAY)
    with pytest.raises(risks.SecondPersonNeeded):
        risks.approve(by=sam)
    with audit.bind(actor=sam):
        asset("other:1", ephi=False)
    assert risks.last_changed_by() == sam.pk
    for change in (version.delete, version.save):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


def test_a_register_without_assets_or_with_an_owner_who_left_is_not_whole() -> None:
    assert risks.incomplete() == ["No asset with ePHI is declared."]
    owner = make_user()
    risk(owner, asset())
    assert risks.incomplete() == []
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert risks.incomplete() == ["The account of the owner is closed: R-1."]


# ── Vendors ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_agreements_are_added_and_never_changed_and_the_file_is_not_kept() -> None:
    vendor = vendors.add(name="Company", service="Mail", hosts=["b.test", "a.test", "a.test"], receives_phi=True)
    assert vendor.hosts == ["a.test", "b.test"]
    with pytest.raises(vendors.NameTaken):
        vendors.add(name="Company", service="Mail", hosts=[], receives_phi=True)
    given: dict[str, Any] = {
        "vendor_id": vendor.pk,
        "signed_on": today(),
        "expires_on": today() + 365 * DAY,
        "verified_on": None,
        "document": b"the signed words",
        "document_name": "baa.pdf",
        "by": cast.pat(),
    }
    one = vendors.add_agreement(**given)
    assert one.artifact_sha256 == hashlib.sha256(b"the signed words").hexdigest()
    assert b"the signed words" not in str(vars(one)).encode()
    for wrong in ({"expires_on": today()}, {"signed_on": today() + DAY}, {"verified_on": today() + DAY}):
        with pytest.raises(vendors.DatesWrong):
            vendors.add_agreement(**given | wrong)
    for document in (b"", b"x" * (vendors.LARGEST + 1)):
        with pytest.raises(vendors.NoDocument):
            vendors.add_agreement(**given | {"document": document})
    with pytest.raises(DatabaseError), transaction.atomic():
        one.save()
    longer = vendors.add_agreement(**given | {"expires_on": today() + 700 * DAY})
    assert vendors.newest(vendor) == longer
    vendors.end(vendor_id=vendor.pk)
    with pytest.raises(vendors.Ended):
        vendors.add_agreement(**given)
    with pytest.raises(vendors.Ended):
        vendors.end(vendor_id=vendor.pk)


# ── Officials ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_person_holds_an_office_and_a_new_one_relieves_the_former() -> None:
    sam, carol, office = cast.sam(), cast.carol(), Official.Office.SECURITY
    first = officials.name(office=office, deputy=False, person=sam, by=carol)
    with pytest.raises(officials.HoldsIt):
        officials.name(office=office, deputy=True, person=sam, by=carol)
    with pytest.raises(officials.NoRole):
        officials.name(office=office, deputy=False, person=carol, by=sam)
    with pytest.raises(officials.NoRole):
        officials.name(office=office, deputy=True, person=cast.ada(), by=sam)
    officials.name(office=Official.Office.PRIVACY, deputy=True, person=carol, by=sam)
    RoleAssignment.objects.give(user=carol, role=Role.SECURITY_OFFICER)
    carol = User.objects.get(pk=carol.pk)
    second = officials.name(office=office, deputy=False, person=carol, by=sam)
    first.refresh_from_db()
    assert first.until == second.since
    officials.relieve(official_id=second.pk)
    with pytest.raises(officials.Relieved):
        officials.relieve(official_id=second.pk)


def test_an_official_has_an_open_account_and_a_second_factor() -> None:
    without = make_user(roles=[Role.PRIVACY_OFFICER])
    closed = make_user(roles=[Role.PRIVACY_OFFICER], is_active=False)
    for person, error in ((without, officials.NoFactor), (closed, officials.AccountClosed)):
        with pytest.raises(error):
            officials.name(office=Official.Office.PRIVACY, deputy=False, person=person, by=cast.sam())


# ── Exercises ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_exercise_stays_and_a_follow_up_is_a_later_record_of_it() -> None:
    sam = cast.sam()
    given: dict[str, Any] = {"kind": Exercise.Kind.LIVE, "scenario": "Queue lost", "losses": ["key", "broker", "x"]}
    with pytest.raises(exercises.NotHeldYet):
        exercises.record(held_on=today() + DAY, lessons="", open_actions=0, by=sam, **given)
    one = exercises.record(held_on=today(), lessons="", open_actions=3, by=sam, **given)
    assert one.losses == ["broker", "key"]
    with pytest.raises(exercises.NothingClosed):
        exercises.follow_up(exercise_id=one.pk, open_actions=3, lessons="", by=sam)
    two = exercises.follow_up(exercise_id=one.pk, open_actions=1, lessons="Two done.", by=sam)
    with pytest.raises(exercises.Followed):
        exercises.follow_up(exercise_id=one.pk, open_actions=0, lessons="", by=sam)
    assert exercises.current() == [two]
    with pytest.raises(DatabaseError), transaction.atomic():
        one.save()


# ── Reviews ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_week_is_signed_once_by_each_person_with_its_figures() -> None:
    pat, week = cast.pat(), reviews.weeks(1)[0]
    alice = cast.alice()
    with audit.bind(actor=alice):
        audit.record(code=audit.Code.AUTHZ_FAIL, action=audit.Crude.READ, outcome=audit.Outcome.DENIED)
        audit.record_read(object_type="compliance.AuditEvent", export="csv")
    found = reviews.figures(week)
    assert (found["denials"], found["exports"]) == (1, 1)
    assert [str(alice.pk), alice.name, 2] in found["most_active"]
    assert ["authz_fail", "denied", 1] in found["by_code"]
    with audit.bind(actor=User(email="x@canary.invalid", name=canary.NAME)):  # nobody has this account
        audit.record(code=audit.Code.AUTHZ_FAIL, action=audit.Crude.READ, outcome=audit.Outcome.DENIED)
    again = reviews.figures(week)
    assert (again["denials"], again["control_checks"], again["events"]) == (1, 1, found["events"])
    User.objects.filter(pk=alice.pk).update(name=canary.NAME)
    with audit.bind(actor=User.objects.get(pk=alice.pk)):  # somebody who would like to be taken for a check
        audit.record(code=audit.Code.AUTHZ_FAIL, action=audit.Crude.READ, outcome=audit.Outcome.DENIED)
    assert reviews.figures(week)["denials"] == 2
    last = reviews.weeks(2)[1]
    review = reviews.sign(week=last, by=pat, conclusion="Calm.")
    assert review.figures["events"] == 0
    with pytest.raises(reviews.SignedAlready):
        reviews.sign(week=last, by=pat, conclusion="Again.")
    reviews.sign(week=last, by=cast.sam(), conclusion="I looked too.")


def test_no_week_of_the_future_none_before_its_friday_and_no_other_day(monkeypatch: pytest.MonkeyPatch) -> None:
    this = reviews.weeks(1)[0]
    for week, error in ((this + 7 * DAY, reviews.NotYet), (this + DAY, reviews.NotAWeek)):
        with pytest.raises(error):
            reviews.sign(week=week, by=cast.pat(), conclusion="Calm.")
    for days, may in ((3, False), (4, True)):
        monkeypatch.setattr(timezone, "localdate", lambda *_, of=days: this + of * DAY)
        assert reviews.open_for_signing(this) is may


def test_who_administered_does_not_review_what_administrators_did() -> None:
    pat, last = cast.pat(), reviews.weeks(2)[1]
    RoleAssignment.objects.give(user=pat, role=Role.ADMIN)
    reviews.sign(week=last, by=cast.carol(), conclusion="Calm.")
    RoleAssignment.objects.filter(user=pat, role=Role.ADMIN).update(granted_at=clock.now() - 14 * DAY)
    with pytest.raises(reviews.OwnActs):
        reviews.sign(week=last, by=pat, conclusion="Calm.")
    RoleAssignment.objects.filter(user=pat, role=Role.ADMIN).delete()
    with audit.bind(actor=cast.ada()):
        audit.record_read(object_type="compliance.User")
    assert reviews.reviewed(cast.ada().pk, reviews.weeks(1)[0])
    assert AuditReview.objects.count() == 1


# ── Disclosures and amendments ─────────────────────────────────────────────────────────────────────────────────


def test_of_a_patient_only_the_pseudonym_is_kept() -> None:
    before = set(AuditEvent.objects.values_list("pk", flat=True))
    given: dict[str, Any] = {"recipient": "A court", "what": "A note", "why": "An order", "by": cast.pat()}
    one = disclosures.record(record_number=" 88231904 ", disclosed_on=today(), **given)
    assert one.patient == vault.pseudonym("88231904")
    assert "88231904" not in str(vars(one))
    changes = AuditEvent.objects.exclude(pk__in=before).values_list("changes", flat=True)
    assert "88231904" not in str(list(changes))
    assert "A court" not in str(list(changes))
    for number in ("", "x" * 65, "8823\x001904"):
        with pytest.raises(patients.NoRecordNumber):
            disclosures.record(record_number=number, disclosed_on=today(), **given)
    with pytest.raises(disclosures.NotYet):
        disclosures.record(record_number="1", disclosed_on=today() + DAY, **given)
    with pytest.raises(DatabaseError), transaction.atomic():
        one.delete()


def test_the_accounting_goes_back_six_years() -> None:
    first = date(2024, 2, 29)
    assert disclosures.since(first) == date(2018, 2, 28)
    for day in (date(2018, 2, 27), date(2018, 2, 28), first, first + DAY):
        Disclosure.objects.create(
            patient="P-1", disclosed_on=day, recipient=f"R {day}", what="W", why="Y", recorded_by=cast.pat()
        )
    told = disclosures.accounting("P-1", until=first)
    assert [line.disclosed_on for line in told] == [date(2018, 2, 28), first]
    assert disclosures.accounting("P-2") == []


def test_the_file_has_four_columns_and_nothing_a_spreadsheet_runs() -> None:
    lines = [disclosures.Line(date(2026, 1, 2), '=HYPERLINK("x")', 'A "note", two pages', "+1")]
    text = disclosures.as_csv(lines)
    assert text.splitlines()[0] == "Date,Recipient,What,Why"
    assert text.splitlines()[1] == '2026-01-02,"\'=HYPERLINK(""x"")","A ""note"", two pages",\'+1'


def test_a_request_names_a_record_that_exists_and_its_answer_stays() -> None:
    pat = cast.pat()
    conversation = Conversation.objects.create(author=cast.alice(), title="A question")
    given: dict[str, Any] = {"record_number": "88231904", "kind": "chat.Conversation", "by": pat}
    for wrong in ({"record_id": uuid.uuid4()}, {"kind": "compliance.User", "record_id": pat.pk}):
        with pytest.raises(amendments.NoSuchRecord):
            amendments.record(**given | {"asked_on": today()} | wrong)
    asked = amendments.record(record_id=conversation.pk, asked_on=today() - DAY, **given)
    assert asked.patient == vault.pseudonym("88231904")
    denied: dict[str, Any] = {"decision": Amendment.Decision.DENIED, "statement": "I disagree."}
    for day in (today() - 2 * DAY, today() + DAY):
        with pytest.raises(amendments.NotYet):
            amendments.answer(amendment_id=asked.pk, answered_on=day, **denied)
    amendments.answer(amendment_id=asked.pk, answered_on=today(), **denied)
    with pytest.raises(amendments.AnsweredAlready):
        amendments.answer(amendment_id=asked.pk, answered_on=today(), **denied)
