"""The checks of onboarding and training: each passes on a sound installation, and each sees what is wrong with one."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from pytest_django import Settings

from clinchat.lib import clock
from compliance import policies
from compliance.models import Clearance, ControlResult, Notice, PolicyVersion, User
from tests import cast
from tests.proving import State, look, proven
from tests.training import certified, making_approvals
from training import cohort, demo, security_reminders
from training.bank.types import SIX
from training.models import Certificate, Enrolment
from training.models.approvals import Stage

pytestmark = pytest.mark.django_db

OURS = (
    *("access.every_chat_user_approved", "onboarding.license_verified", "training.active_users_certified"),
    *("training.staff_included", "training.records_6y", "training.reminders_sent"),
)


@contextmanager
def undone() -> Iterator[None]:
    """What is broken in it is taken back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def run_sql(*statements: str, **given: Any) -> AbstractContextManager[None]:
    """By hand in the database, past every trigger, and taken back at the end."""

    @contextmanager
    def breaking() -> Iterator[None]:
        with undone():
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
                cursor.execute("SET LOCAL session_replication_role = replica")
                for statement in statements:
                    cursor.execute(statement, given)
                cursor.execute("SET LOCAL session_replication_role = origin")
            yield

    return breaking()


@pytest.fixture
def nadia() -> User:
    """Cleared by four others, in an installation where nobody else can ask."""
    certified.load_content()
    making_approvals.reached(Stage.CLEARED)
    Clearance.objects.filter(basis="hand").update(revoked_at=clock.now())
    return User.objects.get(pk=cast.nadia().pk)


def grant(person: User, basis: str = "hand") -> AbstractContextManager[None]:
    return run_sql(
        "INSERT INTO compliance_clearance (id, user_id, granted_at, expires_at, reason, basis) "
        "VALUES (gen_random_uuid(), %(who)s, now() - interval '1 hour', now() + interval '1 year', 'x', %(basis)s)",
        who=person.pk,
        basis=basis,
    )


# ── Who may ask ────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_was_granted_by_hand_is_seen(nadia: User) -> None:
    bob = cast.bob()
    Clearance.objects.filter(user=bob).update(revoked_at=clock.now())
    broken = proven("access.every_chat_user_approved", grant(bob))
    assert (broken.failing, broken.subjects) == ([str(bob.pk)], 2)
    assert "Bob" not in f"{broken.observed} {broken.evidence}"
    with grant(bob, basis="onboarding"):
        assert look("access.every_chat_user_approved").evidence["stages_missing"] == 1


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("DELETE FROM training_stagedecision WHERE step = 'approve_privacy'", "stages_missing"),
        ("UPDATE training_stagedecision SET round = round - 1 WHERE step = 'identity'", "stages_missing"),
        ("UPDATE training_accessrequest SET stage = 'suspended'", "not_cleared"),
    ],
    ids=["a stage is gone", "of an earlier round", "suspended"],
)
def test_fault_a_chain_of_approvals_is_not_whole(nadia: User, statement: str, why: str) -> None:
    with run_sql(statement):
        broken = look("access.every_chat_user_approved")
    assert (broken.state, broken.failing, broken.evidence[why]) == (State.FAIL, [str(nadia.pk)], 1)


def test_fault_one_person_approved_twice(nadia: User) -> None:
    with run_sql(
        "ALTER TABLE training_stagedecision DISABLE TRIGGER USER",
        "DROP INDEX each_stage_by_somebody_else",
        "UPDATE training_stagedecision SET by_id = (SELECT by_id FROM training_stagedecision WHERE step = 'identity') "
        "WHERE step = 'approve_head'",
    ):
        assert look("access.every_chat_user_approved").evidence["not_distinct"] == 1


def test_an_administrator_or_a_closed_account_asks_nothing_and_is_no_subject(nadia: User) -> None:
    with grant(cast.ada()):
        assert (look("access.every_chat_user_approved").subjects, look("onboarding.license_verified").subjects) == (
            1,
            1,
        )
    User.objects.filter(pk=nadia.pk).update(is_active=False)
    assert look("access.every_chat_user_approved").state == State.ERROR


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE training_accessrequest SET license_until = current_date - 2", "expired"),
        ("UPDATE training_accessrequest SET license_until = NULL", "incomplete"),
        ("DELETE FROM training_stagedecision WHERE step = 'identity'", "not_verified"),
    ],
    ids=["expired", "no last day", "nobody checked"],
)
def test_a_license_that_does_not_hold_is_seen(nadia: User, statement: str, why: str) -> None:
    broken = proven("onboarding.license_verified", run_sql(statement))
    assert (broken.failing, broken.evidence[why]) == ([str(nadia.pk)], 1)


# ── Training ───────────────────────────────────────────────────────────────────────────────────────────────────

LAPSE = (
    "UPDATE training_certificate SET issued_at = now() - interval '1 year', expires_at = now() - interval '1 hour' "
    "WHERE slug = 'hipaa'"
)


def test_a_certificate_that_expired_is_seen(nadia: User) -> None:
    broken = proven("training.active_users_certified", run_sql(LAPSE))
    assert (broken.failing, broken.evidence["certificates_missing"]) == ([str(nadia.pk)], 1)


def change(days: int) -> AbstractContextManager[None]:
    """Another version of a module, with a change of substance, loaded so many days ago; certificates are older."""
    columns = "number, title, change, sha256, content"
    return run_sql(
        "UPDATE training_moduleversion SET loaded_at = loaded_at - interval '90 days'",
        "UPDATE training_certificate SET issued_at = issued_at - interval '90 days'",
        "UPDATE training_moduleversion SET in_force = false WHERE slug = 'hipaa'",
        f"INSERT INTO training_moduleversion (id, slug, version, material, loaded_at, in_force, {columns}) "
        f"SELECT gen_random_uuid(), slug, '9.9', true, now() - %(days)s * interval '1 day', true, {columns} "
        "FROM training_moduleversion WHERE slug = 'hipaa' LIMIT 1",
        days=days,
    )


def test_fault_a_change_was_not_caught_up_with_in_thirty_days(nadia: User) -> None:
    with change(29):
        assert look("training.active_users_certified").state == State.PASS
    with change(31):
        broken = look("training.active_users_certified")
    assert (broken.state, broken.failing, broken.evidence["changes_overdue"]) == (State.FAIL, [str(nadia.pk)], 1)


def test_fault_a_certificate_was_revoked_and_access_stayed(nadia: User) -> None:
    revoke = "UPDATE training_certificate SET revoked_at = now(), revoke_reason = 'x', revoked_by_id = person_id "
    with run_sql(f"{revoke} WHERE slug = 'error-reporting'"):
        found = look("training.active_users_certified")
    assert (found.state, found.evidence["certificates_missing"]) == (State.FAIL, 1)


def test_without_content_nothing_can_be_said() -> None:
    found = look("training.active_users_certified")
    assert (found.state, found.observed) == (State.ERROR, "Could not look: 6 of 6 modules are not loaded")


@contextmanager
def a_new_colleague(days: int) -> Iterator[User]:
    with undone():
        person = User.objects.create_user(email="erin@clinchat.example", name="Erin Executive", password="x")
        User.objects.filter(pk=person.pk).update(created_at=clock.now() - timedelta(days=days))
        yield person


def test_staff_without_training_are_seen(nadia: User) -> None:
    with a_new_colleague(29):
        assert look("training.staff_included").evidence["in_their_first_month"] >= 1
    broken = proven("training.staff_included", a_new_colleague(31))
    assert len(broken.failing) == 1
    assert "Erin" not in str(broken.evidence)


def test_fault_the_dashboard_leaves_somebody_out(nadia: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cohort, "_SEEN", cohort._SEEN.replace("AND NOT is_service", "AND name <> 'Ada Admin'", 1))
    cast.ada()
    broken = look("training.staff_included")
    assert (broken.state, broken.failing) == (State.FAIL, ["training.cohort"])


# ── Records ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def learner() -> User:
    """Somebody who read and passed one module, by the same services as anybody."""
    certified.load_content()
    person = cast.nadia()
    for policy in PolicyVersion.objects.in_force():
        policies.acknowledge(person=person, policy=policy)
    demo._pass(person, SIX[0])
    return person


def test_an_attempt_that_was_deleted_is_seen(learner: User) -> None:
    delete = (
        "DELETE FROM training_answer USING training_attempt a WHERE a.id = attempt_id AND a.passed",
        "DELETE FROM training_attempt WHERE passed",
    )
    broken = proven("training.records_6y", run_sql(*delete))
    assert str(learner.enrolments.get().pk) in broken.failing


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM training_answer WHERE number = 1",
        "DELETE FROM training_certificate",
        "ALTER TABLE training_certificate DISABLE TRIGGER training_no_delete",
        "DROP TRIGGER graded_no_change ON training_attempt",
        "UPDATE training_attempt SET seed = '' WHERE passed",
        "CREATE OR REPLACE FUNCTION compliance_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
    ],
    ids=["an answer", "a certificate", "a guard is off", "a guard is gone", "its form", "a guard lets through"],
)
def test_fault_a_record_is_gone_or_could_go(learner: User, statement: str) -> None:
    certified.certify(cast.otto(), slug=SIX[1])
    with undone(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        if statement.startswith(("DELETE", "UPDATE")):
            cursor.execute("ALTER TABLE training_attempt DROP CONSTRAINT attempt_started_whole")
            cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement)
        cursor.execute("SET LOCAL session_replication_role = origin")
        found = look("training.records_6y")
    assert (found.state, bool(found.failing)) == (State.FAIL, True)


def test_fault_a_whole_turn_is_gone_and_only_the_trail_knows(learner: User) -> None:
    other = cast.otto()
    for policy in PolicyVersion.objects.in_force():
        policies.acknowledge(person=other, policy=policy)
    demo._pass(other, SIX[0])
    certificate = other.certificates.get()
    whose = f"(SELECT id FROM training_enrolment WHERE person_id = '{other.pk}')"
    theirs = f"(SELECT id FROM training_attempt WHERE enrolment_id IN {whose})"
    with run_sql(
        f"DELETE FROM training_answer WHERE attempt_id IN {theirs}",
        f"DELETE FROM training_attempt WHERE enrolment_id IN {whose}",
        f"DELETE FROM training_lessonread WHERE enrolment_id IN {whose}",
        f"DELETE FROM training_certificate WHERE enrolment_id IN {whose}",
        f"DELETE FROM training_enrolment WHERE id IN {whose}",
    ):
        broken = look("training.records_6y")
    assert broken.state == State.FAIL
    assert str(certificate.pk) in broken.failing


def test_fault_a_certificate_nobody_earned(learner: User) -> None:
    enrolment = Enrolment.objects.create(person=cast.otto(), slug=SIX[0])
    Certificate.objects.create(
        person=enrolment.person,
        slug=enrolment.slug,
        title="Forged",
        version="1",
        enrolment=enrolment,
        expires_at=clock.now() + timedelta(days=365),
        token="forged",
    )
    broken = look("training.records_6y")
    assert (broken.state, broken.failing) == (State.FAIL, [str(enrolment.pk)])


def test_nobody_has_passed_anything_yet() -> None:
    assert look("training.records_6y").state == State.ERROR


# ── Reminders ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def staff(settings: Settings) -> list[User]:
    """People who came a year ago, and were reminded by e-mail."""
    settings.MAIL_URL = "smtp://localhost"
    found = [cast.nadia(), cast.otto(), cast.ada()]
    User.objects.update(created_at=clock.now() - timedelta(days=365))
    assert security_reminders.remind() == len(found)
    Notice.objects.filter(mail="waiting").update(mail="sent", mailed_at=clock.now())
    return found


def test_reminders_that_failed_are_seen(staff: list[User]) -> None:
    broken = proven("training.reminders_sent", run_sql("UPDATE compliance_notice SET mail = 'failed'"))
    assert sorted(broken.failing) == sorted(str(person.pk) for person in staff)
    one = "UPDATE compliance_notice SET mail = 'failed' WHERE id = (SELECT id FROM compliance_notice LIMIT 1)"
    with run_sql(one):
        assert look("training.reminders_sent").observed.endswith("1 of 3 by e-mail failed")


def test_fault_nobody_was_reminded_for_ninety_days(staff: list[User]) -> None:
    with run_sql("UPDATE compliance_notice SET created_at = now() - interval '91 days'"):
        assert len(look("training.reminders_sent").failing) == 3


def test_fault_one_person_was_left_out(staff: list[User]) -> None:
    left = cast.sam()
    assert look("training.reminders_sent").state == State.PASS, "who came this week waits for the next turn"
    User.objects.filter(pk=left.pk).update(created_at=clock.now() - timedelta(days=8))
    assert look("training.reminders_sent").failing == [str(left.pk)]


def test_everybody_is_reminded_every_twelve_weeks_of_something_else(
    staff: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert security_reminders.remind() == 0
    later = clock.now() + security_reminders.EVERY
    monkeypatch.setattr(clock, "now", lambda: later)
    User.objects.filter(pk=staff[0].pk).update(is_active=False)
    assert security_reminders.remind() == 2
    titles = set(Notice.objects.filter(user=staff[1]).values_list("title", flat=True))
    assert len(titles) == 2
    for subject, text in security_reminders.SUBJECTS:
        assert len(security_reminders.TITLE + subject) <= 120
        assert len(text) <= 500


def test_a_demo_installation_raises_no_false_alarm(settings: Settings, tmp_path: Path) -> None:
    settings.CLINCHAT_DEMO, settings.VAR = True, tmp_path
    certified.load_content()
    call_command("load_demo", stdout=io.StringIO())
    for key in OURS:
        kept: ControlResult = look(key)
        said = f"{kept.observed} {kept.evidence} {kept.failing}"
        assert kept.state == State.PASS, said
        assert not any(user.name in said or user.email in said for user in User.objects.all())
