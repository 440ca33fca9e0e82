"""Attempts: claimed, answered, graded by the server, unlocked; and how many there can be."""

from __future__ import annotations

from datetime import timedelta
from unittest import mock

import pytest

from clinchat.lib import clock
from compliance.models import AuditEvent, Notice
from tests import cast
from tests.training import certified
from tests.training import making_learning as making
from training import attempts, enrolments, learning
from training.bank.answers import NotAnAnswer
from training.models import Accommodation, Answer, Attempt, Certificate, Enrolment, ModuleVersion
from training.tasks import finish_overdue_attempts

pytestmark = pytest.mark.django_db
SLUG = making.SLUG


@pytest.fixture(autouse=True)
def _content() -> None:
    certified.load_content()


def limited(minutes: int) -> mock._patch[object]:
    """The module as if its assessment had a time limit."""
    from dataclasses import replace

    module = enrolments.in_force(SLUG).module
    timed = replace(module, rules=replace(module.rules, minutes=minutes))
    return mock.patch.object(ModuleVersion, "module", timed)


def test_lessons_come_first() -> None:
    with pytest.raises(attempts.LessonsUnread) as refused:
        attempts.start(person=cast.nadia(), slug=SLUG)
    assert len(refused.value.lessons) == len(enrolments.in_force(SLUG).module.lessons)
    assert not Enrolment.objects.exists()


def test_a_form_follows_its_blueprint_and_starting_again_goes_on_with_it() -> None:
    nadia = cast.nadia()
    attempt = making.begun(nadia)
    module = enrolments.in_force(SLUG).module
    drawn = [one.item for one in attempts.form_of(attempt)]
    for objective, cells in module.blueprint.items():
        for difficulty, number in cells.items():
            assert sum(i.objective == objective and i.difficulty == difficulty for i in drawn) == number
    assert attempts.start(person=nadia, slug=SLUG).pk == attempt.pk
    assert len(attempt.seed) == 32


def test_passing_gives_a_certificate_once() -> None:
    nadia = cast.nadia()
    attempt = making.passed(nadia)
    assert attempt.passed
    assert attempts.percent_of(attempt) == 100
    again = attempts.submit(attempt=attempt, attested=True)
    assert again.submitted_at == attempt.submitted_at
    [certificate] = Certificate.objects.all()
    assert (certificate.percent, certificate.enrolment) == (100, attempt.enrolment)
    assert learning.overview(nadia).of(SLUG).state is learning.State.PASSED
    with pytest.raises(enrolments.NothingToDo):
        attempts.start(person=nadia, slug=SLUG)


def test_after_a_failure_time_passes_and_other_questions_come() -> None:
    nadia = cast.nadia()
    first = making.failed(nadia)
    assert (first.passed, str(first.points)) == (False, "0.0000")
    with pytest.raises(attempts.CoolingOff) as cooling:
        attempts.start(person=nadia, slug=SLUG)
    assert first.submitted_at is not None
    assert cooling.value.until == first.submitted_at + timedelta(minutes=10)
    with making.ago(minutes=-11):
        second = attempts.start(person=nadia, slug=SLUG)
    assert second.number == 2
    assert not {one.item for one in first.answers.all()} & {one.item for one in second.answers.all()}


def used_up() -> Enrolment:
    """A turn of nadia whose three attempts have failed."""
    nadia = cast.nadia()
    for weeks in (9, 6, 3):
        with making.ago(weeks=weeks):
            making.failed(nadia)
    return Enrolment.objects.select_related("person").get()


def test_after_the_last_somebody_else_unlocks_one_with_a_reason() -> None:
    turn = used_up()
    with pytest.raises(attempts.NoneLeft):
        attempts.start(person=turn.person, slug=SLUG)
    more = attempts.unlock(enrolment=turn, by=cast.dora(), reason="We went through it together")
    assert (more.number, more.unlocked_by) == (4, cast.dora())
    assert Notice.objects.filter(user=turn.person, title="You can try again").exists()
    with pytest.raises(attempts.NothingToUnlock):
        attempts.unlock(enrolment=turn, by=cast.carol(), reason="Once more")
    assert attempts.start(person=turn.person, slug=SLUG).number == 4


def test_nobody_unlocks_too_early_for_themselves_or_for_another_department() -> None:
    dora, nadia = cast.dora(), cast.nadia()
    making.begun(nadia)
    making.begun(dora)
    own, other = (Enrolment.objects.select_related("person").get(person=one) for one in (dora, nadia))
    with pytest.raises(attempts.NothingToUnlock):
        attempts.unlock(enrolment=other, by=dora, reason="Why not")
    with pytest.raises(attempts.Oneself):
        attempts.unlock(enrolment=own, by=dora, reason="Why not")
    nadia.department = "Elsewhere"
    nadia.save()
    other.refresh_from_db()
    with pytest.raises(attempts.OutOfReach):
        attempts.unlock(enrolment=other, by=dora, reason="Why not")
    assert AuditEvent.objects.filter(code="authz_fail", actor_id=dora.pk).count() == 2


def test_an_older_form_does_not_overwrite_a_newer_answer() -> None:
    attempt = making.begun(cast.nadia())
    question = next(one for one in attempts.form_of(attempt) if one.item.kind == "single")
    number = question.answer.number

    def save(letter: str, revision: int) -> Answer:
        return attempts.save(attempt=attempt, number=number, sent={"answer": [letter]}, revision=revision)

    assert save("a", 0).revision == 1
    assert save("a", 0).revision == 1  # the same again: the answer to the first was lost
    with pytest.raises(attempts.Newer) as newer:
        save("b", 0)
    assert newer.value.answer.revision == 1
    assert save("b", 1).revision == 2
    with pytest.raises(NotAnAnswer):
        save("z", 2)
    with pytest.raises(Answer.DoesNotExist):
        attempts.save(attempt=attempt, number=99, sent={"answer": ["a"]}, revision=0)


def test_nothing_is_graded_without_saying_whose_answers_they_are() -> None:
    attempt = making.begun(cast.nadia())
    with pytest.raises(attempts.NotAttested):
        attempts.submit(attempt=attempt, attested=False)
    graded = attempts.submit(attempt=attempt, attested=True)
    with pytest.raises(attempts.Over):
        attempts.save(attempt=graded, number=1, sent={"answer": ["a"]}, revision=0)


def test_when_time_is_over_what_was_saved_is_graded() -> None:
    nadia = cast.nadia()
    with limited(30):
        attempt = making.begun(nadia)
        making.fill(attempt, first=2)
        assert attempt.ends_at == attempt.started_at + timedelta(minutes=30)  # type: ignore[operator]
        Attempt.objects.filter(pk=attempt.pk).update(ends_at=clock.now() - timedelta(seconds=1))
        attempt.refresh_from_db()
        with pytest.raises(attempts.Over):
            making.fill(attempt, first=3)
        finish_overdue_attempts()
    attempt.refresh_from_db()
    assert (attempt.state, str(attempt.points), attempt.attested) == ("graded", "2.0000", False)
    assert attempt.submitted_at == attempt.ends_at


@pytest.mark.parametrize(("more", "minutes"), [("1.5", 45), ("2", 60), ("none", None)])
def test_more_time_holds_from_the_next_attempt_on(more: str, minutes: int | None) -> None:
    nadia = cast.nadia()
    with limited(30):
        attempts.accommodate(person=nadia, more=Accommodation.More(more), by=cast.dora())
        attempt = making.begun(nadia)
    expected = minutes and attempt.started_at + timedelta(minutes=minutes)  # type: ignore[operator]
    assert attempt.ends_at == expected


def test_nobody_grants_themselves_more_time() -> None:
    dora = cast.dora()
    with pytest.raises(attempts.Oneself):
        attempts.accommodate(person=dora, more=Accommodation.More.DOUBLE, by=dora)
    attempts.accommodate(person=dora, more=Accommodation.More.HALF, by=cast.carol())
    attempts.accommodate(person=dora, more=Accommodation.More.DOUBLE, by=cast.carol())
    assert [one.more for one in Accommodation.objects.filter(ended_at=None)] == ["2"]
    attempts.end_accommodation(person=dora, by=cast.carol())
    assert attempts.accommodation_of(dora) is None


def test_catching_up_asks_about_what_changed_and_gives_no_new_certificate() -> None:
    nadia = cast.nadia()
    certified.certify(nadia, slug=SLUG)
    version = enrolments.in_force(SLUG)
    changed = version.module.lessons[0]
    enrolments.open_changes(people=[nadia], version=version, lessons=[changed.key], why="New.", now=clock.now())
    assert learning.overview(nadia).of(SLUG).state is learning.State.CATCH_UP
    learning.mark_read(person=nadia, slug=SLUG, lesson=changed.key, version_id=version.pk)
    attempt = attempts.start(person=nadia, slug=SLUG)
    assert {one.item.objective for one in attempts.form_of(attempt)} == set(changed.objectives)
    making.fill(attempt)
    assert attempts.submit(attempt=attempt, attested=True).passed
    assert Certificate.objects.count() == 1
    assert learning.overview(nadia).of(SLUG).state is learning.State.PASSED


def test_a_renewal_is_a_new_turn_beside_the_old_one() -> None:
    nadia = cast.nadia()
    old = certified.certify(nadia, slug=SLUG, expires_at=clock.now() + timedelta(days=20))
    assert learning.overview(nadia).of(SLUG).state is learning.State.RENEW
    assert making.passed(nadia).passed
    new = Certificate.objects.exclude(pk=old.pk).get()
    assert new.enrolment is not None
    assert (new.enrolment.kind, new.enrolment.pk != old.enrolment_id) == ("renewal", True)
    old.refresh_from_db()
    assert old.revoked_at is None


def test_the_overview_takes_few_queries(django_assert_max_num_queries: object) -> None:
    nadia = cast.nadia()
    making.begun(nadia)
    learning.overview(nadia)
    with django_assert_max_num_queries(8):  # type: ignore[operator]
        found = learning.overview(nadia)
        assert found.next is not None
        assert found.next.next_url.startswith("/training/attempts/")
