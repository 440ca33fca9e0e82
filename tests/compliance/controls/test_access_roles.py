"""Checks of rights, each broken as the catalogue says and in other ways."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chat.models import Conversation
from clinchat.lib import clock
from compliance import audit, notices
from compliance.access import decisions, emergency, people, recertification, role_changes
from compliance.access.people import rule as rule_of_people
from compliance.controls import belongings, duties
from compliance.models import (
    AuditEvent,
    BreakGlass,
    Campaign,
    CampaignItem,
    Code,
    RoleAssignment,
    RoleRequest,
    User,
)
from compliance.models.emergency import BreakGlassQuerySet
from tests import cast
from tests.breaking import doing, instead, undone
from tests.factories import make_user
from tests.proving import State, look, proven

pytestmark = pytest.mark.django_db


# ── Roles ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def reviewed() -> CampaignItem:
    """Everybody's role is under review, and alice's was confirmed."""
    alice, pat, carol = cast.alice(), cast.pat(), cast.carol()
    assert {alice, pat, carol}
    RoleAssignment.objects.update(granted_at=clock.now() - timedelta(days=200))
    recertification.open_campaign()
    item = CampaignItem.objects.get(holder=alice)
    return recertification.keep(item_id=item.pk, by=carol)


def test_campaign(reviewed: CampaignItem) -> None:
    broken = proven(
        "recert.campaign_current",
        undone(
            "ALTER TABLE compliance_campaignitem DROP CONSTRAINT campaign_item_not_the_holder",
            f"UPDATE compliance_campaignitem SET decided_by_id = holder_id WHERE id = '{reviewed.pk}'",
        ),
    )
    assert broken.failing == [f"confirmed by its holder or grantor: {reviewed.assignment_id}"]


def test_fault_a_role_counts_that_nobody_confirmed(reviewed: CampaignItem) -> None:
    Campaign.objects.update(opened_at=clock.now() - timedelta(days=40), due_at=clock.now() - timedelta(days=10))
    found = look("recert.campaign_current")
    assert (found.state, found.failing_count) == (State.FAIL, 2)
    recertification.suspend_overdue()
    assert look("recert.campaign_current").state == State.PASS, "nobody's role counts any more but the confirmed one"


def test_fault_no_review_this_quarter(reviewed: CampaignItem) -> None:
    CampaignItem.objects.exclude(pk=reviewed.pk).update(status="gone")
    assert look("recert.campaign_current").failing_count == 2
    CampaignItem.objects.update(decided_at=clock.now() - timedelta(days=93))
    assert look("recert.campaign_current").failing_count == 3


def test_campaign_nobody_holds_a_role() -> None:
    assert look("recert.campaign_current").state == State.ERROR


def granted() -> User:
    """Somebody real who was given a role as it should be done."""
    person = make_user()
    asked = role_changes.ask(kind="give", user=person, role="auditor", reason="She audits", by=cast.sam())
    role_changes.approve(request_id=asked.pk, by=cast.ada())
    return person


def test_ticket() -> None:
    person = granted()
    assert look("rbac.change_has_ticket").evidence["request"] == 1
    proven(
        "rbac.change_has_ticket",
        undone(f"UPDATE compliance_roleassignment SET role = 'operator' WHERE user_id = '{person.pk}'"),
    )
    proven(
        "rbac.change_has_ticket",
        undone(
            "INSERT INTO compliance_roleassignment (id, user_id, role, granted_at) "
            f"VALUES (gen_random_uuid(), '{person.pk}', 'security_officer', now())"
        ),
    )


def test_fault_a_request_its_asker_approved() -> None:
    granted()
    with undone(
        "ALTER TABLE compliance_rolerequest DROP CONSTRAINT role_request_second_person",
        "UPDATE compliance_rolerequest SET decided_by_id = requested_by_id",
    ):
        assert look("rbac.change_has_ticket").state == State.FAIL


def test_fault_a_suspended_role_counts_again_by_itself() -> None:
    person = granted()
    RoleAssignment.objects.filter(user=person).update(suspended_at=clock.now())
    assert look("rbac.change_has_ticket").state == State.PASS
    RoleAssignment.objects.filter(user=person).update(suspended_at=None)
    assert look("rbac.change_has_ticket").state == State.FAIL


def test_a_role_taken_in_a_review_or_with_its_holder_has_its_ground() -> None:
    person, other = granted(), granted()
    recertification.open_campaign()
    item = CampaignItem.objects.get(holder=person)
    recertification.take(item_id=item.pk, by=cast.carol())
    people.end_employment(other, by=cast.sam())
    found = look("rbac.change_has_ticket")
    assert (found.state, found.evidence["review"], found.evidence["left"]) == (State.PASS, 1, 1)


def test_a_role_a_review_gave_back_and_that_was_taken_later_has_its_ground() -> None:
    person = granted()
    recertification.open_campaign()
    Campaign.objects.update(opened_at=clock.now() - timedelta(days=40), due_at=clock.now() - timedelta(days=10))
    recertification.suspend_overdue()
    recertification.keep(item_id=CampaignItem.objects.get(holder=person).pk, by=cast.carol())
    assert look("rbac.change_has_ticket").state == State.PASS
    asked = role_changes.ask(kind="take", user=person, role="auditor", reason="She left audit", by=cast.sam())
    role_changes.approve(request_id=asked.pk, by=cast.ada())
    found = look("rbac.change_has_ticket")
    assert (found.state, found.evidence["review"]) == (State.PASS, 1), found.failing


# ── Two people ─────────────────────────────────────────────────────────────────────────────────────────────────


def proved(person: User) -> None:
    """As a sign-in with both factors leaves it in the trail."""
    with audit.bind(actor=person):
        audit.record(code=Code.AUTHN_LOGIN_SUCCESS, action=audit.Crude.EXECUTE, detail={"factor": "app"})


def test_four_eyes() -> None:
    proved(cast.ada())
    granted()
    request = RoleRequest.objects.get()
    broken = proven(
        "sod.four_eyes",
        undone(
            "ALTER TABLE compliance_rolerequest DROP CONSTRAINT role_request_second_person",
            f"UPDATE compliance_rolerequest SET decided_by_id = requested_by_id WHERE id = '{request.pk}'",
        ),
    )
    assert broken.failing == [f"role {request.pk}: the same person"]


def test_four_eyes_nothing_done_yet_is_in_order() -> None:
    assert look("sod.four_eyes").state == State.PASS


def test_fault_no_second_factor_before() -> None:
    proved(cast.sam())
    granted()
    request = RoleRequest.objects.get()
    assert look("sod.four_eyes").state == State.PASS, "older than what the trail can say"
    RoleRequest.objects.update(decided_at=clock.now() + timedelta(minutes=30))
    assert look("sod.four_eyes").failing == [f"role {request.pk}: not proved before"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"about": "approver"}, "the same person"),
        ({"done_by": "requester"}, "the same person"),
        ({"approver": None}, "somebody is missing"),
        ({"proved_at": timedelta(minutes=-11)}, "not proved before"),
    ],
)
def test_fault_one_pair_of_eyes(change: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sam, ada, now = cast.sam().pk, cast.ada().pk, clock.now()
    who = {"requester": sam, "approver": ada}
    given: dict[str, Any] = who | {"proved_at": now} | {k: who.get(v, v) for k, v in change.items() if k != "proved_at"}
    if "proved_at" in change:
        given["proved_at"] = now + change["proved_at"]
    monkeypatch.setattr(duties, "_kinds", {"x": lambda: [duties.Duty("x", "1", at=now, **given)]})
    assert look("sod.four_eyes").failing == [f"x 1: {why}"]


def test_fault_one_person_approves_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock.now()
    two = [duties.Duty("x", str(n), cast.sam().pk, cast.ada().pk, now, proved_at=now, together="round") for n in (1, 2)]
    monkeypatch.setattr(duties, "_kinds", {"x": lambda: two})
    assert look("sod.four_eyes").failing == ["x 2: approved twice by one"]


def test_every_app_says_what_takes_two_people() -> None:
    wanted = {"roles", "purges", "terms", "exceptions", "interaction changes", "documents", "access"}
    assert wanted <= set(duties.kinds())
    assert {one.kind for one in belongings.kinds()} >= {"conversation", "document", "certificate", "export"}


# ── Whose things are ───────────────────────────────────────────────────────────────────────────────────────────


def everybody(*_: Any) -> bool:
    return True


def test_object_level() -> None:
    broken = proven("rbac.object_level_canary", instead(decisions._RULES, Conversation, everybody))  # type: ignore[arg-type]
    assert [name.split(":")[0] for name in broken.failing] == ["conversation"]
    assert not Conversation.objects.exists(), "undone with the check"


def test_fault_departments_are_not_kept_apart() -> None:
    with instead(people, "rule", everybody), instead(decisions._RULES, User, everybody):  # type: ignore[arg-type]
        assert {"certificate: 200 to a stranger", "export: 200 to a stranger"} <= set(
            look("rbac.object_level_canary").failing
        )
    assert people.rule is rule_of_people


def test_fault_a_page_answers_nobody() -> None:
    def nobody(*_: Any) -> bool:
        return False

    with instead(decisions._RULES, Conversation, nobody):  # type: ignore[arg-type]
        assert look("rbac.object_level_canary").failing == ["conversation: 404 to its owner"]


def test_object_level_without_objects_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(belongings, "_kinds", {})
    assert look("rbac.object_level_canary").state == State.ERROR
    assert look("breakglass.works").state == State.ERROR


# ── Emergencies ────────────────────────────────────────────────────────────────────────────────────────────────


def test_break_glass() -> None:
    cast.pat()
    for_ever = instead(BreakGlassQuerySet, "live", lambda self: self.filter(ended_at=None))
    assert proven("breakglass.works", for_ever).failing == ["ends by itself"]
    assert not BreakGlass.objects.exists()
    assert not AuditEvent.objects.filter(object_type="compliance.BreakGlass", lane="data").exists()


def test_fault_it_lasts_longer_than_an_hour() -> None:
    cast.pat()
    with instead(emergency, "LASTS", timedelta(hours=2)):
        assert "opens" in look("breakglass.works").failing


def test_fault_no_official_is_told() -> None:
    cast.pat()
    with instead(notices, "tell", lambda *_, **__: 0):
        assert look("breakglass.works").failing == ["officials told"]
    cast.pat().role_assignments.all().delete()
    assert look("breakglass.works").failing == ["officials told"]


@pytest.fixture
def taken() -> BreakGlass:
    started = clock.now() - timedelta(hours=30)
    return BreakGlass.objects.create(
        user=cast.bob(),
        object_type="chat.Conversation",
        object_id="00000000-0000-4000-8000-000000000001",
        reason="Sepsis in bed 4",
        started_at=started,
        ends_at=started + timedelta(minutes=60),
        review_due_at=started + timedelta(hours=72),
        reviewed_by=cast.pat(),
        reviewed_at=started + timedelta(hours=5),
        finding="justified",
    )


def aged(use: BreakGlass) -> None:
    BreakGlass.objects.filter(pk=use.pk).update(reviewed_at=use.started_at + timedelta(hours=25))


def test_reviewed(taken: BreakGlass) -> None:
    broken = proven("breakglass.reviewed", doing(lambda: aged(taken)))
    assert broken.failing == [f"late: {taken.pk}"]
    assert "Sepsis" not in str([broken.observed, broken.failing, broken.evidence])


def test_fault_nobody_reviewed_it(taken: BreakGlass) -> None:
    BreakGlass.objects.update(reviewed_by=None, reviewed_at=None, finding="")
    assert look("breakglass.reviewed").failing == [f"not reviewed: {taken.pk}"]


def test_fault_who_took_it_reviewed_it(taken: BreakGlass) -> None:
    with undone(
        "ALTER TABLE compliance_breakglass DROP CONSTRAINT break_glass_reviewed_by_another",
        "UPDATE compliance_breakglass SET reviewed_by_id = user_id",
    ):
        assert look("breakglass.reviewed").failing == [f"by who took it: {taken.pk}"]


def test_none_taken_is_in_order() -> None:
    assert look("breakglass.reviewed").state == State.PASS
