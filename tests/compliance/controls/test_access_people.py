"""Checks of accounts, each broken as the catalogue says and in other ways."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from clinchat.lib import clock
from compliance import audit
from compliance.access import Action, Role, allows, controls_people, people
from compliance.controls import registry
from compliance.models import Authenticator, Clearance, Code, Official, RoleAssignment, ServiceToken, Session, User
from tests import cast
from tests.breaking import doing, instead, undone
from tests.proving import State, look, proven

pytestmark = pytest.mark.django_db
Office = Official.Office


@pytest.fixture
def officials() -> dict[str, Official]:
    sam, pat, carol, ada = cast.sam(), cast.pat(), cast.carol(), cast.ada()
    named = {}
    for office, deputy, person in (
        (Office.SECURITY, False, sam),
        (Office.SECURITY, True, carol),
        (Office.PRIVACY, False, pat),
        (Office.PRIVACY, True, carol),
    ):
        key = f"{office}{' deputy' * deputy}"
        named[key] = Official.objects.create(office=office, deputy=deputy, person=person, named_by=ada)
    return named


def test_officials(officials: dict[str, Official]) -> None:
    def deactivate() -> None:
        User.objects.filter(pk=cast.sam().pk).update(is_active=False)

    broken = proven("org.officials_named", doing(deactivate))
    assert broken.failing == ["security_official: account closed"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda: Official.objects.filter(office=Office.PRIVACY, deputy=True).update(until=clock.now()),
            "privacy_official: no deputy",
        ),
        (lambda: Official.objects.filter(deputy=False).update(until=clock.now()), "privacy_official: 0 named"),
        (lambda: Authenticator.objects.filter(user=cast.sam()).delete(), "security_official: no second factor"),
        (lambda: cast.pat().role_assignments.all().delete(), "privacy_official: does not hold privacy_officer"),
    ],
)
def test_fault_an_office_is_not_filled(officials: dict[str, Official], change: Any, told: str) -> None:
    with doing(change):
        found = look("org.officials_named")
    assert found.state == State.FAIL
    assert told in found.failing


def test_no_direct_permissions() -> None:
    alice = cast.alice()
    proven(
        "access.no_direct_perms",
        undone(
            "CREATE TABLE compliance_user_user_permissions (id int, user_id uuid REFERENCES compliance_user (id), "
            "permission_id int REFERENCES auth_permission (id))",
            f"INSERT INTO compliance_user_user_permissions SELECT 1, '{alice.pk}', min(id) FROM auth_permission",
        ),
    )


def test_fault_an_administrator_asks_about_patients() -> None:
    ada = cast.ada()
    assert look("access.no_direct_perms").state == State.PASS
    audit.record(code=audit.Code.SENSITIVE_READ, action=audit.Crude.READ, actor=ada)
    assert look("access.no_direct_perms").state == State.PASS
    with audit.bind(actor=ada, purpose="TREAT"):
        audit.record(code=audit.Code.SENSITIVE_READ, action=audit.Crude.READ)
    found = look("access.no_direct_perms")
    assert (found.state, found.failing) == (State.FAIL, ["1 events of treatment by administrators"])


def test_fault_an_administrator_holds_a_clinical_role() -> None:
    RoleAssignment.objects.give(user=cast.ada(), role=Role.CLINICIAN)
    assert look("access.no_direct_perms").failing == [f"clinical role of {cast.ada().pk}"]


def left() -> User:
    person = cast.mallory()
    people.end_employment(person, by=cast.ada())
    return person


def test_terminated_have_nothing() -> None:
    person = left()
    row = {"session_key": "0" * 64, "session_data": "", "expire_date": clock.now() + timedelta(minutes=5)}
    broken = proven("access.terminated_have_nothing", doing(lambda: Session.objects.create(user=person, **row)))
    assert broken.failing == [f"session of {person.pk}"]


def test_terminated_nobody_left_is_in_order() -> None:
    cast.alice()
    found = look("access.terminated_have_nothing")
    assert (found.state, found.subjects) == (State.PASS, 0)


@pytest.mark.parametrize("what", ["role", "clearance", "token"])
def test_fault_something_is_left_of_somebody_who_left(what: str) -> None:
    person, now = left(), clock.now()
    match what:
        case "role":
            RoleAssignment.objects.create(user=person, role=Role.AUDITOR)
        case "clearance":
            Clearance.objects.create(user=person, expires_at=now + timedelta(days=1), reason="Old")
        case "token":
            ServiceToken.objects.create(
                user=person, name="x", digest="x", prefix="x", scopes=["status.read"], made_by=cast.sam(),
                expires_at=now + timedelta(days=1),
            )  # fmt: skip
    assert look("access.terminated_have_nothing").failing == [f"{what} of {person.pk}"]


def test_fault_work_goes_on_for_somebody_who_left() -> None:
    person = left()
    with instead(controls_people, "_WORK", [lambda ids: [pk for pk in ids if pk == person.pk]]):
        assert look("access.terminated_have_nothing").failing == [f"work of {person.pk}"]


def test_a_role_kept_for_a_pause_is_in_order() -> None:
    people.close(cast.alice(), because=User.Closed.DORMANT, by=cast.ada())
    assert look("access.terminated_have_nothing").state == State.PASS


def test_fault_a_role_kept_for_a_pause_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    person = cast.alice()
    people.close(person, because=User.Closed.DORMANT, by=cast.ada())

    def forgets_that_it_is_closed(user: User, action: Action) -> bool:
        user.is_active = True
        return allows(user, action)

    monkeypatch.setattr(controls_people, "allows", forgets_that_it_is_closed)
    assert look("access.terminated_have_nothing").failing == [f"right of {person.pk}"]


def test_termination_latency() -> None:
    cast.sign_in(Client(), cast.mallory())
    person = left()

    def sixty_one_minutes() -> None:
        User.objects.filter(pk=person.pk).update(closed_at=clock.now() - timedelta(minutes=61))
        audit.record(
            code=Code.SESSION_EXPIRED,
            action=audit.Crude.EXECUTE,
            object_type="compliance.User",
            object_id=str(person.pk),
        )

    broken = proven("access.termination_latency", doing(sixty_one_minutes))
    assert broken.failing == [f"{person.pk}: 61 min"]


def test_fault_somebody_who_left_still_acts() -> None:
    person = left()
    User.objects.filter(pk=person.pk).update(closed_at=clock.now() - timedelta(hours=3))
    audit.record(code=Code.SENSITIVE_READ, action=audit.Crude.READ, actor=person)
    assert look("access.termination_latency").failing == [f"{person.pk}: 180 min"]


def days_ago(person: User, days: int) -> None:
    moment = clock.now() - timedelta(days=days)
    User.objects.filter(pk=person.pk).update(last_login=moment, created_at=moment - timedelta(days=1))


def test_dormant() -> None:
    alice = cast.alice()
    broken = proven("access.dormant_disabled", doing(lambda: days_ago(alice, 46)))
    assert broken.failing == [str(alice.pk)]


def test_dormant_is_closed_by_the_schedule_and_no_later() -> None:
    cast.ada()
    days_ago(cast.alice(), 44)
    assert look("access.dormant_disabled").state == State.PASS
    days_ago(cast.alice(), 60)
    people.close_dormant()
    assert look("access.dormant_disabled").state == State.PASS


def test_fault_an_account_opened_again_and_left_alone() -> None:
    days_ago(cast.ada(), 100)
    User.objects.filter(pk=cast.ada().pk).update(reopened_at=clock.now() - timedelta(days=1))
    assert look("access.dormant_disabled").state == State.PASS
    User.objects.filter(pk=cast.ada().pk).update(reopened_at=clock.now() - timedelta(days=50))
    assert look("access.dormant_disabled").state == State.FAIL


def test_no_shared() -> None:
    for key in ("alice", "ada", "otto"):
        getattr(cast, key)()
    proven(
        "identity.no_shared",
        doing(lambda: User.objects.create_user(email="admin@hospital.test", name="Administrator")),
    )


@pytest.mark.parametrize(
    ("email", "name"),
    [("ward3@hospital.test", "Ward 3"), ("x.y@hospital.test", "Nurse"), ("icu-desk@hospital.test", "Jo Day")],
)
def test_fault_a_shared_account(email: str, name: str) -> None:
    made = User.objects.create_user(email=email, name=name)
    assert look("identity.no_shared").failing == [f"generic: {made.pk}"]


def test_a_mailbox_that_is_the_number_of_an_employee_is_one_persons() -> None:
    User.objects.create_user(email="204417@hospital.test", name="Ottoline Quenby")
    assert look("identity.no_shared").state == State.PASS


def test_fault_two_accounts_of_one_address() -> None:
    alice = cast.alice()
    drop = 'ALTER TABLE compliance_user DROP CONSTRAINT "user_email_lower_case"'
    twice = (
        "INSERT INTO compliance_user SELECT (jsonb_populate_record(u, jsonb_build_object('id', gen_random_uuid(), "
        f"'email', 'ALICE@clinchat.example'))).* FROM compliance_user u WHERE id = '{alice.pk}'"
    )
    with undone(drop, twice):
        found = look("identity.no_shared")
    assert found.state == State.FAIL
    assert f"same e-mail: {alice.pk}" in found.failing
    assert "no unique index on compliance_user.email" in found.failing


def test_fault_one_account_in_two_countries(monkeypatch: pytest.MonkeyPatch) -> None:
    countries = {"203.0.113.1": "US", "198.51.100.1": "DE"}
    monkeypatch.setattr("compliance.access.places.country_of", lambda source: countries[source])
    alice = cast.alice()
    for source in countries:
        cast.sign_in(Client(), alice)
        Session.objects.filter(source=None).update(source=source)
        Session.objects.filter(user=alice, source="127.0.0.1").update(source=source)
    assert look("identity.no_shared").failing == [f"two countries: {alice.pk}"]


def test_fault_demo_accounts_where_there_is_no_demo(settings: Any) -> None:
    settings.CLINCHAT_DEMO = False
    assert look("identity.no_shared").state == State.ERROR  # nobody there
    alice = cast.alice()
    assert look("identity.no_shared").failing == [f"demo: {alice.pk}"]


def test_all_of_them_are_registered() -> None:
    assert {"org.officials_named", "identity.no_shared", "edge.block_and_limit"} <= set(registry.registered())
