"""Deciding on a request for access: what each rule refuses, what is kept, who is told, and the rubber stamp."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from clinchat.lib import clock
from compliance.access import Role, people
from compliance.access.roles import NEEDS_CLEARANCE
from compliance.models import AuditEvent, Code, Notice, User
from tests import cast
from tests.factories import make_user
from tests.training import certified
from tests.training.making_approvals import (
    ORDER,
    WHO,
    fresh,
    license_found,
    may_ask,
    proof,
    reached,
    sent_in,
    staff,
    take,
)
from training.approvals import deciding, granting, refusals, stamping
from training.models import AccessRequest, StageDecision
from training.models.approvals import Stage, Step

pytestmark = pytest.mark.django_db


def titles(person: User) -> set[str]:
    return set(Notice.objects.filter(user=person).values_list("title", flat=True))


def test_four_people_open_access() -> None:
    request = reached(Stage.PRIVACY)
    assert not may_ask(cast.nadia())
    decision = take(request, Step.SECURITY, cast.sam())
    request.refresh_from_db()
    assert (request.stage, may_ask(cast.nadia())) == (Stage.CLEARED, True)
    assert request.recertify_by is not None
    assert request.recertify_by - clock.now() > timedelta(days=89)
    assert "Nadia Novak may ask clinical questions" in decision.granted
    assert (request.license_kind, decision.looked_seconds) == ("RN", 60)
    assert {"You can ask now", "Your license is checked"} <= titles(cast.nadia())
    assert "A request for access waits for you" in titles(cast.dora())
    assert StageDecision.objects.filter(request=request).count() == 5


def test_nothing_is_sent_in_before_training_is_complete() -> None:
    nadia = cast.nadia()
    request = deciding.open_request(person=nadia)
    with pytest.raises(refusals.Incomplete) as refused:
        deciding.submit(request_id=request.pk, by=nadia, revision=0)
    assert len(refused.value.missing) == 6


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"revision": 0}, refusals.Stale),
        ({"proof": proof(minutes=11)}, refusals.NotProved),
        ({"proof": deciding.Proof(None)}, refusals.NotProved),
        ({"license_found": None}, refusals.NoLicense),
        ({"license_found": license_found(days=-1)}, refusals.NoLicense),
        ({"license_found": deciding.License("RN", " ", license_found().until)}, refusals.NoLicense),
        ({"step": Step.SECURITY}, refusals.NotFromHere),
        ({"step": Step.RETURN, "reason": "  "}, refusals.NoReason),
    ],
)
def test_a_try_against_a_rule_changes_nothing(options: dict[str, Any], rule: type[Exception]) -> None:
    request = reached(Stage.TRAINED)
    given = {"step": Step.IDENTITY, **options}
    with pytest.raises(rule):
        take(request, given.pop("step"), cast.carol(), **given)
    request.refresh_from_db()
    assert (request.stage, request.decisions.count()) == (Stage.TRAINED, 1)


def test_what_a_rule_forbids_is_on_record() -> None:
    request = reached(Stage.TRAINED)
    with pytest.raises(refusals.NotYours):
        take(request, Step.IDENTITY, cast.pat())
    event = AuditEvent.objects.filter(code=Code.AUTHZ_FAIL, object_id=str(request.pk)).get()
    assert (event.detail["rule"], event.actor_id) == ("NotYours", cast.pat().pk)


def test_nobody_decides_without_certificates_of_their_own_and_anybody_may_return() -> None:
    request = reached(Stage.HEAD)
    cast.pat().certificates.update(revoked_at=clock.now(), revoked_by=cast.carol(), revoke_reason="Mistake")
    with pytest.raises(refusals.NotCertified):
        take(request, Step.PRIVACY, cast.pat())
    take(request, Step.RETURN, cast.pat())
    request.refresh_from_db()
    assert request.stage == Stage.RETURNED
    assert "Your request was returned" in titles(cast.nadia())


def test_nobody_approves_two_stages_or_their_own_request() -> None:
    request = reached(Stage.HEAD)
    people_of_two = fresh(cast.dora())
    people_of_two.role_assignments.model.objects.give(user=people_of_two, role=Role.PRIVACY_OFFICER)
    with pytest.raises(refusals.AlreadyApproved):
        take(request, Step.PRIVACY, cast.dora())
    own = sent_in(cast.carol())
    with pytest.raises(refusals.NotOnesOwn):
        take(own, Step.IDENTITY, cast.carol())


def test_a_head_of_another_department_has_no_say() -> None:
    other = make_user(roles=[Role.DEPARTMENT_HEAD], department="Surgery")
    certified.train(other)
    request = reached(Stage.IDENTIFIED)
    with pytest.raises(refusals.NotYours):
        take(request, Step.HEAD, other)
    nameless = reached(Stage.IDENTIFIED, make_user(roles=[Role.CLINICIAN]))
    with pytest.raises(refusals.NotYours):
        take(nameless, Step.HEAD, make_user(roles=[Role.DEPARTMENT_HEAD]))


def test_returned_and_sent_in_again_begins_without_approvals() -> None:
    request = reached(Stage.HEAD)
    take(request, Step.RETURN, cast.pat(), reason="The license is of somebody else")
    request.refresh_from_db()
    deciding.submit(request_id=request.pk, by=cast.nadia(), revision=request.revision)
    request.refresh_from_db()
    assert (request.stage, request.round) == (Stage.TRAINED, 2)
    for step in ORDER:
        take(request, step, WHO[step]())
    assert may_ask(cast.nadia())


def test_suspending_reinstating_and_revoking() -> None:
    request = reached(Stage.CLEARED)
    take(request, Step.SUSPEND, cast.pat(), reason="Shared a password")
    assert not may_ask(cast.nadia())
    take(request, Step.REINSTATE, cast.dora())
    assert may_ask(cast.nadia())
    take(request, Step.REVOKE, cast.sam())
    assert not may_ask(cast.nadia())
    request.refresh_from_db()
    deciding.reapply(request_id=request.pk, by=cast.nadia(), revision=request.revision)
    request.refresh_from_db()
    assert (request.stage, request.round, request.recertify_by) == (Stage.DRAFT, 2, None)


def test_confirming_again_moves_the_end_and_takes_a_renewed_license() -> None:
    request = reached(Stage.CLEARED)
    AccessRequest.objects.filter(pk=request.pk).update(recertify_by=clock.now() + timedelta(days=1))
    renewed = license_found(days=800)
    take(request, Step.RECERTIFY, cast.dora(), license_found=renewed)
    request.refresh_from_db()
    assert request.recertify_by is not None
    assert request.recertify_by > clock.now() + timedelta(days=89)
    assert request.license_until == renewed.until


def test_withdrawing_takes_it_back() -> None:
    request = reached(Stage.HEAD)
    deciding.withdraw(request_id=request.pk, by=cast.nadia(), revision=request.revision)
    request.refresh_from_db()
    assert (request.stage, request.round) == (Stage.DRAFT, 2)


def test_somebody_who_leaves_starts_anew_and_an_account_closed_otherwise_only_waits() -> None:
    request = reached(Stage.CLEARED)
    people.close(cast.nadia(), because=User.Closed.SECURITY, by=cast.sam())
    request.refresh_from_db()
    assert (request.stage, may_ask(cast.nadia())) == (Stage.CLEARED, False)
    people.end_employment(cast.nadia(), by=cast.sam())
    request.refresh_from_db()
    assert (request.stage, request.round, request.recertify_by) == (Stage.DRAFT, 2, None)


def test_training_that_lapses_meanwhile_stops_the_next_approval() -> None:
    request = reached(Stage.HEAD)
    cast.nadia().certificates.filter(slug="hipaa").update(
        revoked_at=clock.now(), revoked_by=cast.carol(), revoke_reason="Mistake"
    )
    with pytest.raises(refusals.TrainingLapsed):
        take(request, Step.PRIVACY, cast.pat())


def test_approving_several_is_each_for_itself() -> None:
    first = reached(Stage.IDENTIFIED)
    second = reached(Stage.IDENTIFIED, cast.bob())
    stale = deciding.Choice(second.pk, second.revision - 1)
    results = deciding.approve_many(
        choices=[deciding.Choice(first.pk, first.revision), stale], by=fresh(cast.dora()), proof=proof(looked=60)
    )
    assert [type(result.refused) for result in results] == [type(None), refusals.Stale]
    assert StageDecision.objects.get(request=first, step=Step.HEAD).looked_seconds == 30
    with pytest.raises(ValueError, match="11"):
        deciding.approve_many(choices=[stale] * 11, by=cast.dora(), proof=proof())


def test_approving_without_looking_is_told_once_a_day() -> None:
    staff()
    for number in range(6):
        request = sent_in(make_user(roles=[Role.CLINICIAN], name=f"Nurse {number}"))
        take(request, Step.IDENTITY, cast.carol(), proof=proof(looked=2))
    assert not Notice.objects.filter(title=stamping.TITLE).exists(), "nobody is told about themselves"
    other = make_user(roles=[Role.COMPLIANCE_MANAGER])
    for _ in range(2):
        request = sent_in(make_user(roles=[Role.CLINICIAN]))
        take(request, Step.IDENTITY, cast.carol(), proof=proof(looked=1))
    assert Notice.objects.filter(title=stamping.TITLE).values_list("user", flat=True).get() == other.pk


def test_every_action_that_needs_a_clearance_has_its_words() -> None:
    assert set(granting.WORDS) == NEEDS_CLEARANCE
    holds_nothing = sent_in(make_user())
    assert granting.granted_words(holds_nothing, Step.SECURITY).startswith("No access: ")
