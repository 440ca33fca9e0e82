"""Once a quarter each role is confirmed by somebody else, or suspends itself; nobody is locked out by that."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from clinchat.lib import clock
from compliance import tasks
from compliance.access import Role, people, recertification
from compliance.models import AuditEvent, Campaign, CampaignItem, Code, Notice, RoleAssignment, User
from tests import cast
from tests.factories import make_user

pytestmark = pytest.mark.django_db
PAGE = "/compliance/recertification/"
Status = CampaignItem.Status


def signed_in(person: Callable[[], User]) -> Client:
    return cast.sign_in(Client(), person())


def item_of(user: User, role: Role | None = None) -> CampaignItem:
    found = CampaignItem.objects.filter(holder=user)
    return found.get(role=role) if role else found.get()


def decide(client: Client, decision: str, *items: CampaignItem) -> str:
    sent = {"decision": decision, "item": [str(item.pk) for item in items]}
    return unescape(client.post(f"{PAGE}decide/", sent, follow=True).content.decode())


def text(client: Client) -> str:
    return unescape(client.get(PAGE).content.decode())


def make_overdue() -> None:
    Campaign.objects.update(
        opened_at=clock.now() - timedelta(days=31), due_at=clock.now() - timedelta(days=1), name="2020 Q1"
    )


def is_live(user: User, role: Role) -> bool:
    return user.role_assignments.live().filter(role=role).exists()


# ── A campaign ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("day", "name"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), "2026 Q1"),
        (datetime(2026, 3, 31, 23, 59, tzinfo=UTC), "2026 Q1"),
        (datetime(2026, 4, 1, tzinfo=UTC), "2026 Q2"),
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), "2026 Q4"),
    ],
)
def test_quarters(day: datetime, name: str) -> None:
    assert recertification.quarter(day) == name


@pytest.mark.parametrize("person", [cast.sam, cast.carol, cast.pat, cast.ada])
def test_a_review_has_every_role_that_counts(person: Callable[[], User]) -> None:
    alice, sam, two = cast.alice(), cast.sam(), make_user(roles=[Role.AUDITOR, Role.OPERATOR])
    make_user(roles=[Role.AUDITOR]).role_assignments.update(suspended_at=clock.now())
    client = signed_in(person)
    assert "There has been no review yet." in text(client)
    page = unescape(client.post(f"{PAGE}open/", follow=True).content.decode())
    campaign = Campaign.objects.get()
    assert f"The review {campaign.name} has begun." in page
    assert campaign.due_at - campaign.opened_at == timedelta(days=30)
    live = set(RoleAssignment.objects.live().values_list("pk", flat=True))
    assert set(campaign.items.values_list("assignment", flat=True)) == live
    assert CampaignItem.objects.filter(holder=two).count() == 2
    assert {notice.user for notice in Notice.objects.filter(title__startswith="Roles to confirm")} >= {sam, person()}
    assert not Notice.objects.filter(user=alice).exists()
    assert "has its review already" in unescape(client.post(f"{PAGE}open/", follow=True).content.decode())


def test_a_department_head_begins_none() -> None:
    assert "a department head cannot begin one" in unescape(
        signed_in(cast.dora).post(f"{PAGE}open/", follow=True).content.decode()
    )
    assert not Campaign.objects.exists()


@pytest.mark.parametrize("person", [cast.alice, cast.audra, cast.otto, cast.mallory])
def test_who_confirms_nothing_is_refused(person: Callable[[], User]) -> None:
    cast.bob()
    recertification.open_campaign()
    client = signed_in(person)
    assert client.get(PAGE).status_code == 403
    for what in ("open", "decide"):
        assert client.post(f"{PAGE}{what}/", {"decision": "take"}).status_code == 403
    assert set(CampaignItem.objects.values_list("status", flat=True)) == {Status.OPEN}


def test_the_schedule_begins_one_each_quarter_once_there_are_older_roles() -> None:
    bob = cast.bob()
    tasks.review_roles()
    assert not Campaign.objects.exists(), "every role was given in this quarter"
    bob.role_assignments.update(granted_at=clock.now() - timedelta(days=100))
    tasks.review_roles()
    tasks.review_roles()
    assert Campaign.objects.get().opened_by is None
    assert Campaign.objects.get().name == recertification.quarter(clock.now())


# ── Who decides ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_role_is_confirmed_by_somebody_else() -> None:
    bob, carol = cast.bob(), signed_in(cast.carol)
    recertification.open_campaign()
    assert "Bob Brandt" in text(carol)
    assert "1 role confirmed." in decide(carol, "keep", item_of(bob))
    item = item_of(bob)
    assert (item.status, item.decided_by) == (Status.KEPT, cast.carol())
    assert is_live(bob, Role.CLINICIAN)
    assert AuditEvent.objects.filter(object_id=str(item.pk), action="U", actor_name="Carol Chen").count() == 1
    assert "Nothing was decided." in decide(carol, "take", item), "once decided it is not on the list"


def test_a_role_is_taken_away_and_its_holder_signed_out() -> None:
    bob, carol = cast.bob(), signed_in(cast.carol)
    browser = cast.sign_in(Client(), bob)
    recertification.open_campaign()
    assert "1 role taken away." in decide(carol, "take", item_of(bob))
    assert not bob.role_assignments.exists()
    assert browser.get("/settings/").status_code == 302
    assert Notice.objects.filter(user=bob, title="A role was taken away").exists()
    item = item_of(bob)
    assert (item.status, item.assignment, item.decided_by) == (Status.TAKEN, None, cast.carol())


def test_several_at_once() -> None:
    carol, chosen = signed_in(cast.carol), [cast.alice(), cast.bob(), cast.otto()]
    recertification.open_campaign()
    assert "3 roles confirmed." in decide(carol, "keep", *map(item_of, chosen))
    assert {item_of(user).status for user in chosen} == {Status.KEPT}


@pytest.mark.parametrize("who", ["holder", "grantor", "another department"])
def test_who_may_not_decide_on_one(who: str) -> None:
    sam = cast.sam()
    if who == "holder":
        user, client = sam, signed_in(cast.sam)
    elif who == "grantor":
        user, client = make_user(name="Gus Given"), signed_in(cast.sam)
        RoleAssignment.objects.give(user=user, role=Role.AUDITOR, granted_by=sam)
    else:
        user, client = make_user(name="Olaf Other", department="Surgery", roles=[Role.CLINICIAN]), signed_in(cast.dora)
    recertification.open_campaign()
    item = item_of(user)
    assert f'value="{item.pk}"' not in text(client)
    for decision in ("keep", "take"):
        page = decide(client, decision, item)
        assert ("Nothing was decided." if who == "another department" else "You hold this role yourself") in page
    assert item_of(user).status == Status.OPEN
    assert user.role_assignments.exists()
    refused = AuditEvent.objects.filter(code=Code.AUTHZ_FAIL, object_id=str(item.pk))
    assert refused.count() == (0 if who == "another department" else 2)


@pytest.mark.parametrize("whose", ["holder", "grantor"])
def test_the_database_insists_on_somebody_else(whose: str) -> None:
    user, sam = make_user(), cast.sam()
    RoleAssignment.objects.give(user=user, role=Role.AUDITOR, granted_by=sam)
    recertification.open_campaign()
    wrong = user if whose == "holder" else sam
    with pytest.raises(IntegrityError), transaction.atomic():
        CampaignItem.objects.filter(holder=user).update(status=Status.KEPT, decided_by=wrong, decided_at=clock.now())


def test_a_department_head_decides_for_the_own_department() -> None:
    bob, other = cast.bob(), make_user(name="Olaf Other", department="Surgery", roles=[Role.CLINICIAN])
    dora = signed_in(cast.dora)
    recertification.open_campaign()
    page = text(dora)
    assert "Bob Brandt" in page
    assert "Olaf Other" not in page
    assert "1 role confirmed." in decide(dora, "keep", item_of(bob))
    with pytest.raises(recertification.NotYours):
        recertification.keep(item_id=item_of(other).pk, by=cast.dora())
    refused = AuditEvent.objects.get(code=Code.AUTHZ_FAIL, object_id=str(item_of(other).pk))
    assert (refused.object_type, refused.actor_name) == ("compliance.CampaignItem", cast.dora().name)
    assert refused.detail == {"action": "roles.recertify", "step": "second person"}


def test_the_page_says_when_nobody_may() -> None:
    sam = cast.sam()
    recertification.open_campaign()
    assert "Nobody may confirm it" in text(signed_in(cast.sam)), "sam alone confirms roles, and holds this one"
    cast.carol()
    assert "Nobody may confirm it" not in text(signed_in(cast.sam))
    assert item_of(sam).status == Status.OPEN


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"decision": "keep"},
        {"decision": "keep", "item": "nonsense"},
        {"decision": "keep", "item": str(uuid.uuid4())},
        {"decision": "burn", "item": "ITEM"},
        {"item": "ITEM"},
        {"decision": "ke\x00ep", "item": "ITEM"},
    ],
)
def test_a_decision_that_makes_no_sense(sent: dict[str, str]) -> None:
    bob, carol = cast.bob(), signed_in(cast.carol)
    recertification.open_campaign()
    sent = {name: value.replace("ITEM", str(item_of(bob).pk)) for name, value in sent.items()}
    assert "Nothing was decided." in unescape(carol.post(f"{PAGE}decide/", sent, follow=True).content.decode())
    assert item_of(bob).status == Status.OPEN


def test_of_two_who_decide_the_first_counts() -> None:
    bob = cast.bob()
    recertification.open_campaign()
    item = item_of(bob)
    recertification.keep(item_id=item.pk, by=cast.carol())
    with pytest.raises(recertification.AlreadyDecided):
        recertification.take(item_id=item.pk, by=cast.pat())
    assert is_live(bob, Role.CLINICIAN)


# ── What nobody confirms ───────────────────────────────────────────────────────────────────────────────────────


def test_an_overdue_role_suspends_itself_and_people_hear_of_it() -> None:
    bob, alice, sam = cast.bob(), cast.alice(), cast.sam()
    browser = cast.sign_in(Client(), bob)
    recertification.open_campaign()
    recertification.keep(item_id=item_of(alice).pk, by=cast.carol())
    assert recertification.suspend_overdue() == 0, "there is time yet"
    make_overdue()
    tasks.review_roles()
    assert not is_live(bob, Role.CLINICIAN)
    assert is_live(alice, Role.CLINICIAN)
    assert User.objects.get(pk=bob.pk).roles == frozenset()
    assert browser.get("/settings/").status_code == 302
    assert Notice.objects.filter(user=bob, title="A role of yours is suspended").count() == 1
    assert Notice.objects.filter(user=sam, title__endswith="suspended").exists()
    assert recertification.suspend_overdue() == 0, "safe to repeat"


def test_a_suspended_role_counts_again_when_somebody_else_confirms_it() -> None:
    bob, carol = cast.bob(), cast.carol()
    recertification.open_campaign()
    make_overdue()
    recertification.suspend_overdue()
    assert item_of(bob).status == Status.SUSPENDED
    sam = signed_in(cast.sam)
    assert "Suspended" in text(sam)
    assert "1 role confirmed." in decide(sam, "keep", item_of(bob))
    assert User.objects.get(pk=bob.pk).roles == {Role.CLINICIAN}
    assert not is_live(carol, Role.COMPLIANCE_MANAGER), "hers waits for somebody else"


def test_the_last_administrator_and_security_officer_are_told_of_instead() -> None:
    ada, sam, bob = cast.ada(), cast.sam(), cast.bob()
    recertification.open_campaign()
    make_overdue()
    recertification.suspend_overdue()
    recertification.suspend_overdue()
    assert is_live(ada, Role.ADMIN)
    assert is_live(sam, Role.SECURITY_OFFICER)
    assert not is_live(bob, Role.CLINICIAN)
    told = Notice.objects.filter(user=sam, level=Notice.Level.CRITICAL)
    assert sorted(told.values_list("title", flat=True)) == [
        "Unconfirmed: the last administrator",
        "Unconfirmed: the last security officer",
    ]
    assert item_of(ada).status == Status.OPEN
    assert "Overdue, not suspended" in text(signed_in(cast.sam))
    assert "1 role confirmed." in decide(signed_in(cast.sam), "keep", item_of(ada)), "and can still be confirmed"


def test_of_two_administrators_one_is_suspended() -> None:
    first, second = make_user(roles=[Role.ADMIN]), make_user(roles=[Role.ADMIN])
    recertification.open_campaign()
    make_overdue()
    recertification.suspend_overdue()
    assert [is_live(user, Role.ADMIN) for user in (first, second)] == [False, True]
    assert people.is_last_administrator(second)


def test_two_who_remain_can_confirm_everybody_again() -> None:
    """Whoever granted what: the administrator and the security officer together undo a quarter nobody looked at."""
    ada, sam, carol = cast.ada(), cast.sam(), cast.carol()
    carol.role_assignments.update(granted_by=sam)
    sam.role_assignments.update(granted_by=ada)
    ada.role_assignments.update(granted_by=sam)
    recertification.open_campaign()
    make_overdue()
    recertification.suspend_overdue()
    assert "1 role confirmed." in decide(signed_in(cast.ada), "keep", item_of(carol))
    carol_client = signed_in(cast.carol)
    assert "2 roles confirmed." in decide(carol_client, "keep", item_of(ada), item_of(sam))


def test_the_last_administrator_is_not_taken_away() -> None:
    ada = cast.ada()
    recertification.open_campaign()
    assert "Nobody else could administer" in decide(signed_in(cast.sam), "take", item_of(ada))
    assert is_live(ada, Role.ADMIN)
    assert item_of(ada).status == Status.OPEN, "nothing half-done"


def test_a_role_that_ended_meanwhile_needs_no_word() -> None:
    bob, sam = cast.bob(), cast.sam()
    otto = cast.otto()
    recertification.open_campaign()
    people.end_employment(bob, by=sam)
    otto.role_assignments.all().delete()
    make_overdue()
    recertification.suspend_overdue()
    assert (item_of(bob).status, item_of(otto).status) == (Status.GONE, Status.GONE)


def test_one_word_counts_for_two_campaigns() -> None:
    bob, carol = cast.bob(), signed_in(cast.carol)
    recertification.open_campaign()
    make_overdue()
    Campaign.objects.update(due_at=clock.now() + timedelta(days=1))
    recertification.open_campaign()
    older, newer = CampaignItem.objects.filter(holder=bob).order_by("campaign__opened_at")
    page = text(carol)
    assert f'value="{newer.pk}"' in page
    assert f'value="{older.pk}"' not in page
    decide(carol, "keep", newer)
    assert set(CampaignItem.objects.filter(holder=bob).values_list("status", flat=True)) == {Status.KEPT}
