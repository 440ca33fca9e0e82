"""The checks of paperwork: each passes where the registers are kept, and fails where they are not."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from chat.models import Conversation
from clinchat.lib import clock
from compliance import policies, vault
from compliance.models import (
    Agreement,
    Amendment,
    Asset,
    AuditReview,
    BreakGlass,
    Disclosure,
    Exercise,
    MaskReport,
    Notice,
    Official,
    PolicyVersion,
    Remark,
    Risk,
    RoleAssignment,
    User,
    Vendor,
)
from compliance.registers import assets, disclosures, exercises, officials, reviews, risks, vendors
from tests import cast
from tests.breaking import instead
from tests.proving import State, look, proven

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def today() -> date:
    return timezone.localdate()


@contextmanager
def changed(row: Any, **values: Any) -> Iterator[None]:
    """The columns of one row have other values inside, past every rule of the tables."""
    before = {name: getattr(row, name) for name in values}
    with as_owner(type(row)):
        type(row).objects.filter(pk=row.pk).update(**values)
    yield
    with as_owner(type(row)):
        type(row).objects.filter(pk=row.pk).update(**before)


@contextmanager
def as_owner(model: Any) -> Iterator[None]:
    """As whoever owns the database may: no trigger of the table refuses."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        own = "SELECT tgname, tgenabled = 'A' FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal"
        cursor.execute(own, [table])
        triggers = cursor.fetchall()
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for name, always in triggers:
            cursor.execute(f"ALTER TABLE {table} ENABLE {'ALWAYS ' * always}TRIGGER {name}")


@contextmanager
def without(row: Any) -> Iterator[None]:
    """The row is gone inside."""
    with as_owner(type(row)):
        type(row).objects.filter(pk=row.pk).delete()
    yield
    row.save(force_insert=True)


@contextmanager
def there(row: Any) -> Iterator[None]:
    """The row is there inside only."""
    row.save(force_insert=True)
    yield
    with as_owner(type(row)):
        type(row).objects.filter(pk=row.pk).delete()


def register() -> tuple[Asset, Risk]:
    """An asset with ePHI, a serious risk for it, and an approval of both."""
    carol, sam = cast.carol(), cast.sam()
    asset = assets.declare(
        name="Database", kind=Asset.Kind.DATABASE, address="db:5432", ephi=True, purpose="Everything", by=carol
    )
    risk = risks.add(
        title="Lost disk",
        threat="A disk is stolen.",
        likelihood=3,
        impact=5,
        treatment="Values are sealed.",
        status=Risk.Status.OPEN,
        owner=carol,
        due=today() + 30 * DAY,
        assets=[asset],
    )
    risks.approve(by=sam)
    return asset, risk


# ── Risks ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_asset_after_the_approval_makes_the_register_old() -> None:
    register()
    later = Asset(
        name="Cache", kind=Asset.Kind.QUEUE, address="redis:6379", purpose="Counters", declared_by=cast.carol()
    )
    proven("risk.register_current", there(later))


def test_fault_an_approval_of_more_than_a_year_ago() -> None:
    register()
    with clock_at(366 * DAY):
        assert look("risk.register_current").failing == ["age"]


def test_fault_a_register_that_was_changed_after_it_was_signed() -> None:
    register()
    from compliance.models import RiskApproval

    approval = RiskApproval.objects.get()
    with changed(approval, register={**approval.register, "risks": []}):
        assert look("risk.register_current").failing == ["digest"]


def test_fault_an_asset_that_was_backdated_past_the_services() -> None:
    register()
    long_ago = clock.now() - 900 * DAY
    row = Asset(name="X", kind="other", address="x", purpose="x", declared_by=cast.carol(), changed_at=long_ago)
    with there(row):
        assert look("risk.register_current").failing == ["inventory"]


def test_without_an_approval_the_register_is_not_current() -> None:
    assert look("risk.register_current").state == State.FAIL


def test_an_asset_without_a_risk_is_not_covered() -> None:
    asset, risk = register()

    @contextmanager
    def unlinked() -> Iterator[None]:
        risk.assets.remove(asset)
        yield
        risk.assets.add(asset)

    assert proven("risk.covers_assets", unlinked()).failing == [str(asset.pk)]


def test_without_assets_nothing_can_be_said_about_their_risks() -> None:
    assert look("risk.covers_assets").state == State.ERROR
    assert look("risk.no_overdue_treatment").state == State.ERROR


def test_a_serious_risk_past_its_date_is_overdue() -> None:
    _, risk = register()
    assert proven("risk.no_overdue_treatment", changed(risk, due=today() - DAY)).failing == [str(risk.pk)]


def test_fault_a_risk_that_is_put_off_again_and_again() -> None:
    _, risk = register()
    for month in (2, 3):
        risks.defer(risk_id=risk.pk, due=today() + month * 30 * DAY)
    assert look("risk.no_overdue_treatment").state == State.PASS
    risks.defer(risk_id=risk.pk, due=today() + 120 * DAY)
    assert look("risk.no_overdue_treatment").failing == [str(risk.pk)]


def test_a_small_risk_past_its_date_is_no_fault() -> None:
    _, risk = register()
    with changed(risk, due=today() - DAY, likelihood=1, impact=2):
        assert look("risk.no_overdue_treatment").state == State.PASS


# ── Reviews and alerts ─────────────────────────────────────────────────────────────────────────────────────────


def signed(by: User) -> list[AuditReview]:
    return [reviews.sign(week=week, by=by, conclusion="Nothing stood out.") for week in reviews.weeks(5)[1:]]


def test_a_week_without_a_signature_is_missed() -> None:
    newest = signed(cast.pat())[0]
    assert proven("review.weekly_signed", without(newest)).failing == [newest.week.isoformat()]


def test_fault_a_review_by_an_administrator_of_the_week() -> None:
    newest = signed(cast.pat())[0]
    ada = cast.ada()
    RoleAssignment.objects.filter(user=ada).update(granted_at=clock.now() - 100 * DAY)
    with changed(newest, signed_by=ada):
        assert look("review.weekly_signed").failing == [newest.week.isoformat()]


def test_fault_a_signature_from_before_the_week_was_over() -> None:
    newest = signed(cast.pat())[0]
    with changed(newest, signed_at=newest.signed_at - timedelta(days=newest.signed_at.weekday() + 7)):
        assert look("review.weekly_signed").failing == [newest.week.isoformat()]


def old_break_glass(**fields: Any) -> BreakGlass:
    started = clock.now() - timedelta(hours=73)
    return BreakGlass(
        user=cast.bob(),
        object_type="chat.Conversation",
        object_id=uuid.uuid4(),
        reason="Unconscious",
        started_at=started,
        ends_at=started + timedelta(minutes=30),
        review_due_at=started + timedelta(hours=72),
        **fields,
    )


def test_an_emergency_access_nobody_reviewed_for_73_hours_is_found() -> None:
    found = proven("review.alerts_closed", there(old_break_glass()))
    assert found.evidence["break_glass"] == 1
    assert "Unconscious" not in str(found.__dict__)


def test_fault_a_privacy_concern_nobody_sorted() -> None:
    ago = clock.now() - timedelta(hours=73)
    remark = Remark.objects.create(by=cast.alice(), category="privacy", text="An open chart.", at=ago)
    assert look("review.alerts_closed").failing == [f"concerns:{remark.pk}"]
    Remark.objects.filter(pk=remark.pk).update(status="under_way")
    assert look("review.alerts_closed").state == State.PASS


def test_fault_a_critical_notice_nobody_read() -> None:
    ago = clock.now() - timedelta(hours=80)
    told = [
        Notice.objects.create(user=person, title="Gate", text="It is down.", level="crit", created_at=ago)
        for person in (cast.sam(), cast.pat())
    ]
    assert look("review.alerts_closed").evidence["notices"] == 1
    Notice.objects.filter(pk=told[0].pk).update(read_at=clock.now())
    assert look("review.alerts_closed").state == State.PASS


def test_fault_a_mask_report_that_stays_open() -> None:
    report = MaskReport.objects.create(
        kind="missed",
        reporter=cast.alice(),
        scope=uuid.uuid4(),
        turn=uuid.uuid4(),
        token="[NAME-1]",
        words="Somebody",
        created_at=clock.now() - timedelta(hours=73),
    )
    assert look("review.alerts_closed").failing == [f"mask_reports:{report.pk}"]


# ── Policies, agreements, exercises ────────────────────────────────────────────────────────────────────────────


def policy(version: str, ago: timedelta, *, material: bool = True) -> PolicyVersion:
    PolicyVersion.objects.filter(slug="p").update(in_force=False)
    return PolicyVersion.objects.create(
        slug="p",
        number=1,
        title="P",
        version=version,
        text="Words.",
        change="New.",
        material=material,
        published_at=clock.now() - ago,
        in_force=True,
    )


def test_a_new_version_nobody_accepted_for_31_days_is_found() -> None:
    alice = cast.alice()
    User.objects.filter(pk=alice.pk).update(created_at=clock.now() - 100 * DAY)
    first = policy("1", 90 * DAY)
    policies.acknowledge(person=alice, policy=first)

    @contextmanager
    def published() -> Iterator[None]:
        second = policy("2", 31 * DAY)
        yield
        with as_owner(PolicyVersion):
            PolicyVersion.objects.filter(pk=second.pk).delete()
            PolicyVersion.objects.filter(pk=first.pk).update(in_force=True)

    assert proven("policy.acknowledged", published()).failing == [f"p:{alice.pk}"]


def test_fault_somebody_who_never_accepted_and_has_been_here_for_long() -> None:
    policy("1", 90 * DAY)
    mallory = cast.mallory()
    assert look("policy.acknowledged").state == State.PASS  # the account is new
    User.objects.filter(pk=mallory.pk).update(created_at=clock.now() - 31 * DAY)
    assert look("policy.acknowledged").failing == [f"p:{mallory.pk}"]


def test_a_version_without_substance_and_one_that_is_new_bind_nobody_yet() -> None:
    alice = cast.alice()
    User.objects.filter(pk=alice.pk).update(created_at=clock.now() - 400 * DAY)
    policies.acknowledge(person=alice, policy=policy("1", 300 * DAY))
    policy("1.1", 200 * DAY, material=False)
    assert look("policy.acknowledged").state == State.PASS
    policy("2", 29 * DAY)
    assert look("policy.acknowledged").state == State.PASS


def test_without_a_policy_nothing_can_be_said() -> None:
    assert look("policy.acknowledged").state == State.ERROR


def agreement(ends: date) -> Agreement:
    vendor = vendors.add(name="Model company", service="Answers", hosts=["api.example.com"], receives_phi=True)
    return vendors.add_agreement(
        vendor_id=vendor.pk,
        signed_on=today() - 30 * DAY,
        expires_on=ends,
        verified_on=None,
        document=b"signed",
        document_name="baa.pdf",
        by=cast.pat(),
    )


def test_an_agreement_that_ends_within_30_days_is_found() -> None:
    one = agreement(today() + 30 * DAY)
    assert proven("baa.expiry", changed(one, expires_on=today() + 29 * DAY)).failing == [str(one.pk)]


def test_fault_a_vendor_with_phi_and_without_agreement() -> None:
    agreement(today() + 300 * DAY)
    with there(Vendor(name="Another", service="Mail", receives_phi=True)):
        assert look("baa.expiry").state == State.FAIL
    with there(Vendor(name="A third", service="Fonts", receives_phi=False)):
        assert look("baa.expiry").state == State.PASS


def test_a_renewed_agreement_and_a_vendor_no_longer_used_are_no_fault() -> None:
    one = agreement(today() + 10 * DAY)
    assert look("baa.expiry").state == State.FAIL
    vendors.end(vendor_id=one.vendor_id)
    assert look("baa.expiry").state == State.PASS


def exercise(kind: Exercise.Kind, ago: timedelta = DAY, **fields: Any) -> Exercise:
    given: dict[str, Any] = {"losses": list(exercises.LOSSES), "open_actions": 0, "lessons": "", "scenario": "A loss"}
    return exercises.record(kind=kind, held_on=today() - ago, by=cast.sam(), **given | fields)


def test_a_drill_of_more_than_180_days_ago_is_too_old() -> None:
    one = exercise(Exercise.Kind.TABLETOP)
    proven("incident.drill", changed(one, held_on=today() - 181 * DAY))


def test_fault_a_drill_of_tomorrow_and_a_game_day_are_no_drill() -> None:
    one = exercise(Exercise.Kind.LIVE)
    with changed(one, held_on=today() + DAY):
        assert look("incident.drill").state == State.FAIL
    with changed(one, kind=Exercise.Kind.GAME_DAY):
        assert look("incident.drill").state == State.FAIL


def test_a_game_day_of_more_than_a_year_ago_is_too_old() -> None:
    one = exercise(Exercise.Kind.GAME_DAY)
    proven("dr.gameday_current", changed(one, held_on=today() - 366 * DAY))


def test_fault_a_game_day_that_kept_its_key() -> None:
    one = exercise(Exercise.Kind.GAME_DAY)
    with changed(one, losses=["database", "broker", "storage"]):
        assert look("dr.gameday_current").failing == [str(one.pk)]


def test_fault_a_game_day_with_actions_that_stay_open_until_they_are_closed() -> None:
    one = exercise(Exercise.Kind.GAME_DAY, open_actions=2)
    assert look("dr.gameday_current").state == State.FAIL
    exercises.follow_up(exercise_id=one.pk, open_actions=0, lessons="Both closed.", by=cast.sam())
    assert look("dr.gameday_current").state == State.PASS


# ── Patients' rights ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_report_without_the_recipient_is_found() -> None:
    def cells(line: disclosures.Line) -> list[str]:
        return [line.disclosed_on.isoformat(), line.what, line.why]

    found = proven("disclosure.report", instead(disclosures, "_cells", cells))
    assert found.failing == ["file"]


def test_fault_a_report_that_lists_what_is_of_somebody_else() -> None:
    def everything(patient: str, **_: Any) -> list[disclosures.Line]:
        rows = Disclosure.objects.values_list("disclosed_on", "recipient", "what", "why")
        return [disclosures.Line(*row) for row in rows]

    with instead(disclosures, "accounting", everything):
        assert look("disclosure.report").state == State.FAIL


def test_fault_a_report_that_forgets_what_is_long_ago() -> None:
    with instead(disclosures, "since", lambda last: last - 300 * DAY):
        assert look("disclosure.report").state == State.FAIL


def test_the_report_leaves_nothing_behind() -> None:
    found = look("disclosure.report")
    assert found.state == State.PASS, found.observed
    assert not Disclosure.objects.exists()


def amendment(**fields: Any) -> Amendment:
    conversation = Conversation.objects.create(author=cast.alice(), title="A question")
    given: dict[str, Any] = {
        "patient": vault.pseudonym("1"),
        "record": f"chat.Conversation:{conversation.pk}",
        "asked_on": today() - 59 * DAY,
        "recorded_by": cast.pat(),
    }
    return Amendment.objects.create(**given | fields)


def test_a_request_that_waits_for_61_days_is_late() -> None:
    one = amendment()
    assert proven("amendment.linked", changed(one, asked_on=today() - 61 * DAY)).failing == [str(one.pk)]


def test_fault_a_request_about_a_record_that_is_not_there() -> None:
    one = amendment()
    for record in (f"chat.Conversation:{uuid.uuid4()}", "chat.Conversation:", "compliance.User:1", "words"):
        with changed(one, record=record):
            assert look("amendment.linked").failing == [str(one.pk)]


def test_fault_a_request_that_was_answered_too_late() -> None:
    one = amendment(asked_on=today() - 70 * DAY, answered_on=today() - 10 * DAY, decision="accepted")
    assert look("amendment.linked").state == State.PASS
    with changed(one, answered_on=today() - 9 * DAY):
        assert look("amendment.linked").state == State.FAIL


@contextmanager
def clock_at(later: timedelta) -> Iterator[None]:
    """So much later, by the clock of the application."""
    now = clock.now()
    with instead(clock, "now", lambda: now + later):
        yield


def test_no_check_names_anybody() -> None:
    """Names and words of the registers are in no result."""
    register()
    agreement(today() + 10 * DAY)
    amendment(asked_on=today() - 70 * DAY)
    officials.name(office=Official.Office.PRIVACY, deputy=False, person=cast.pat(), by=cast.sam())
    keys = ("risk.register_current", "risk.covers_assets", "risk.no_overdue_treatment", "baa.expiry")
    for key in (*keys, "amendment.linked", "disclosure.report"):
        found = look(key)
        said = f"{found.observed} {found.failing} {found.evidence}"
        for word in ("Lost disk", "stolen", "Model company", "Pat", "P-"):
            assert word not in said, key
