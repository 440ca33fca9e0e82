"""A clearance lives: whatever it rests on opens and closes asking, also when nobody told the clearance."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from clinchat.lib import clock
from compliance import policies
from compliance.models import Clearance, PolicyVersion, User
from tests import cast, factories
from tests.training import certified
from tests.training.making_approvals import ORDER, WHO, may_ask, reached, sent_in, staff, take
from tests.training.making_learning import ago
from training import clearing
from training.approvals.deciding import License
from training.models import AccessRequest, Certificate
from training.models.approvals import Stage, Step

pytestmark = pytest.mark.django_db


def publish(version: str, *, days_ago: int = 0) -> PolicyVersion:
    PolicyVersion.objects.in_force().update(in_force=False)
    return PolicyVersion.objects.create(
        slug="conduct",
        number=1,
        title="Conduct",
        version=version,
        text="Be kind.",
        change="New.",
        material=True,
        published_at=clock.now() - timedelta(days=days_ago),
        in_force=True,
    )


def expire(person: User) -> None:
    Certificate.objects.filter(person=person, slug="hipaa").update(
        revoked_at=clock.now(), revoked_by=cast.carol(), revoke_reason="Content was wrong"
    )


def lapse(person: User) -> None:
    publish("2.0", days_ago=31)


def suspend(person: User) -> None:
    AccessRequest.objects.filter(person=person).update(stage=Stage.SUSPENDED)


def overdue(person: User) -> None:
    AccessRequest.objects.filter(person=person).update(recertify_by=clock.now() - timedelta(minutes=1))


def unlicensed(person: User) -> None:
    AccessRequest.objects.filter(person=person).update(license_until=timezone.localdate() - timedelta(days=1))


def closed(person: User) -> None:
    User.objects.filter(pk=person.pk).update(is_active=False, closed_because="security", closed_at=clock.now())


@pytest.mark.parametrize("happens", [expire, lapse, suspend, overdue, unlicensed, closed])
def test_what_changed_behind_our_back_closes_asking(happens: Callable[[User], None]) -> None:
    publish("1.0", days_ago=90)
    nadia = cast.nadia()
    reached(Stage.CLEARED)
    assert may_ask(nadia)
    assert clearing.settle_suspects() == 0
    happens(nadia)
    assert clearing.settle_suspects() == 1
    assert not may_ask(nadia)
    assert clearing.settle_suspects() == 0


def test_a_certificate_that_ends_closes_by_itself_and_renewing_reopens(client: Client) -> None:
    nadia = cast.nadia()
    request = reached(Stage.CLEARED)
    held = Clearance.objects.get(user=nadia)
    assert held.expires_at == request.recertify_by
    soon = clock.now() + timedelta(days=3)
    Certificate.objects.filter(person=nadia, slug="hipaa").update(
        revoked_at=clock.now(), revoked_by=cast.carol(), revoke_reason="To be learned anew"
    )
    clearing.settle(nadia)
    cast.sign_in(client, nadia)
    answer = client.get("/ask/")
    assert answer.status_code == 403
    assert "/access/" in answer.content.decode()
    certified.certify(nadia, slug="hipaa", expires_at=soon)
    assert clearing.settle_suspects() == 1
    assert client.get("/ask/").status_code == 200
    assert Clearance.objects.live(clock.now()).get(user=nadia).expires_at == soon


def test_accepting_a_policy_in_time_keeps_access_open() -> None:
    publish("1.0", days_ago=90)
    nadia = cast.nadia()
    reached(Stage.CLEARED)
    newer = publish("2.0", days_ago=10)
    clearing.settle(nadia)
    assert Clearance.objects.live(clock.now()).get(user=nadia).expires_at == newer.published_at + policies.GRACE
    policies.acknowledge(person=nadia, policy=newer)
    clearing.settle(nadia)
    assert Clearance.objects.live(clock.now()).get(user=nadia).expires_at > clock.now() + timedelta(days=80)


def test_settling_everybody_finds_what_an_end_has_moved() -> None:
    nadia = cast.nadia()
    request = reached(Stage.CLEARED)
    AccessRequest.objects.filter(pk=request.pk).update(recertify_by=clock.now() + timedelta(days=2))
    assert clearing.settle_everybody() == 1
    assert Clearance.objects.live(clock.now()).get(user=nadia).expires_at < clock.now() + timedelta(days=3)


def test_a_clearance_given_by_hand_outlives_neither_the_approvals_nor_a_suspension(client: Client) -> None:
    nadia = cast.nadia()
    factories.make_clearance(user=nadia)
    request = reached(Stage.CLEARED)
    assert nadia.clearances.live(clock.now()).get().basis == Clearance.Basis.ONBOARDING
    factories.make_clearance(user=nadia)
    take(request, Step.SUSPEND, cast.dora())
    assert not nadia.clearances.live(clock.now()).exists()
    assert cast.sign_in(client, nadia).get("/ask/").status_code == 403


def test_a_clock_that_was_ahead_leaves_no_second_clearance_behind() -> None:
    nadia = cast.nadia()
    request = reached(Stage.CLEARED)
    with ago(hours=1):  # the clock is set back: the clearance of then begins in an hour
        clearing.settle(nadia)
        assert may_ask(nadia)
    take(request, Step.SUSPEND, cast.dora())
    assert not may_ask(nadia)


def test_a_license_without_an_end_is_no_obstacle() -> None:
    staff()
    request = sent_in(cast.nadia())
    take(request, Step.IDENTITY, cast.carol(), license_found=License("RN", "Oregon", date.max))
    for step in ORDER[1:]:
        take(request, step, WHO[step]())
    assert may_ask(cast.nadia())
