"""Deciding for somebody else: given within one's own power, short, and never a way around who may not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from clinchat.lib import clock
from compliance.access import Role
from compliance.models import User
from tests import cast
from tests.factories import make_user
from tests.training import certified
from tests.training.making_approvals import fresh, mine, reached, staff, take
from training.approvals import delegations, refusals, waiting
from training.models import Delegation
from training.models.approvals import Stage, Step

pytestmark = pytest.mark.django_db


def officer() -> User:
    """Another security officer, who is trained."""
    person = make_user(roles=[Role.SECURITY_OFFICER])
    certified.train(person)
    return person


def give(owner: User, delegate: User, step: Step, days: int = 3, reason: str = "On leave") -> Delegation:
    return delegations.give(owner=fresh(owner), delegate=fresh(delegate), step=step, days=days, reason=reason)


def test_the_delegate_decides_for_the_owner() -> None:
    request, delegate = reached(Stage.HEAD), officer()
    with pytest.raises(refusals.NotYours):
        take(request, Step.PRIVACY, delegate)
    held = give(cast.pat(), delegate, Step.PRIVACY)
    assert mine(delegate) == {request}
    assert waiting.delegation_for(fresh(delegate), request) == held
    assert delegate in waiting.deciders(request)
    decision = take(request, Step.PRIVACY, delegate, delegation_id=held.pk)
    assert (decision.by, decision.delegation) == (delegate, held)
    with pytest.raises(refusals.AlreadyApproved):
        take(request, Step.SECURITY, delegate)


def test_the_owner_counts_as_having_decided() -> None:
    request, delegate = reached(Stage.IDENTIFIED), officer()
    held = give(cast.dora(), delegate, Step.HEAD)
    take(request, Step.HEAD, delegate, delegation_id=held.pk)
    both = fresh(cast.dora())
    both.role_assignments.model.objects.give(user=both, role=Role.PRIVACY_OFFICER)
    with pytest.raises(refusals.AlreadyApproved):
        take(request, Step.PRIVACY, cast.dora())


def test_nobody_decides_on_themselves_through_somebody() -> None:
    staff()
    User.objects.filter(pk=cast.pat().pk).update(department=cast.dora().department)
    own = reached(Stage.HEAD, cast.pat())
    held = give(cast.pat(), officer(), Step.PRIVACY)
    with pytest.raises(refusals.NotOnesOwn):
        take(own, Step.PRIVACY, held.delegate, delegation_id=held.pk)
    assert mine(held.delegate) == set()


def test_only_ones_own_power_to_somebody_who_may_have_it() -> None:
    staff()
    with pytest.raises(delegations.NotYourPower):
        give(cast.pat(), cast.sam(), Step.SECURITY)
    held = give(cast.pat(), cast.sam(), Step.PRIVACY)
    with pytest.raises(delegations.NotYourPower):
        give(held.delegate, cast.carol(), Step.PRIVACY)
    with pytest.raises(delegations.NotToThem):
        give(cast.pat(), cast.alice(), Step.PRIVACY)
    with pytest.raises(delegations.NotToThem):
        give(cast.pat(), cast.ada(), Step.PRIVACY)
    with pytest.raises(delegations.TooLong):
        give(cast.pat(), cast.sam(), Step.PRIVACY, days=15)
    with pytest.raises(delegations.NoReason):
        give(cast.pat(), cast.sam(), Step.PRIVACY, reason=" ")


def test_it_ends_by_itself_and_by_either_of_them() -> None:
    request = reached(Stage.HEAD)
    delegate = officer()
    over = give(cast.pat(), delegate, Step.PRIVACY)
    Delegation.objects.filter(pk=over.pk).update(
        starts_at=clock.now() - timedelta(days=3), ends_at=clock.now() - timedelta(minutes=1)
    )
    ended = give(cast.pat(), delegate, Step.PRIVACY)
    with pytest.raises(delegations.Over):
        delegations.end(delegation_id=ended.pk, by=cast.sam())
    delegations.end(delegation_id=ended.pk, by=delegate)
    for held in (over, ended):
        with pytest.raises(refusals.DelegationOver):
            take(request, Step.PRIVACY, delegate, delegation_id=held.pk)


def test_the_power_ends_with_the_role_of_the_owner() -> None:
    request, delegate = reached(Stage.HEAD), officer()
    held = give(cast.pat(), delegate, Step.PRIVACY)
    cast.pat().role_assignments.update(suspended_at=clock.now())
    with pytest.raises(refusals.NotYours):
        take(request, Step.PRIVACY, delegate, delegation_id=held.pk)


def test_given_and_ended_on_the_page() -> None:
    staff()
    pat = cast.sign_in(Client(), cast.pat())
    sent = {"step": "approve_privacy", "delegate": str(cast.sam().pk), "days": "14", "reason": "On leave"}
    assert "Enter 1 to 14 days" in pat.post("/compliance/approvals/delegations/give/", {**sent, "days": "15"}).text
    assert (
        "valid certificates"
        in pat.post("/compliance/approvals/delegations/give/", {**sent, "delegate": str(cast.ada().pk)}).text
    )
    pat.post("/compliance/approvals/delegations/give/", sent)
    held = Delegation.objects.get()
    sam = cast.sign_in(Client(), cast.sam())
    assert "Pat Petrov to Sam Sato" in sam.get("/compliance/approvals/delegations/").text
    sam.post(f"/compliance/approvals/delegations/{held.pk}/end/")
    held.refresh_from_db()
    assert held.ended_at is not None
