"""Your access: what somebody has done, what is missing, who acts next; sending in, withdrawing, applying again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from clinchat.lib import clock
from compliance.models import PolicyAcknowledgement, PolicyVersion, User
from tests import cast
from tests.training import certified
from tests.training.making_approvals import may_ask, reached, sent_in, take
from training.models import AccessRequest
from training.models.approvals import Stage, Step

pytestmark = pytest.mark.django_db


@pytest.fixture
def nadia(client: Client) -> Client:
    return cast.sign_in(client, cast.nadia())


def page(client: Client, address: str = "/access/") -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def publish(version: str) -> PolicyVersion:
    PolicyVersion.objects.in_force().update(in_force=False)
    text = "## What it is about\n\nBe **kind**.\n\n- One\n- Two"
    return PolicyVersion.objects.create(
        slug="conduct", number=1, title="Conduct", version=version, text=text, change="It is new.", in_force=True
    )


def revision() -> int:
    return AccessRequest.objects.values_list("revision", flat=True).filter(person=cast.nadia()).first() or 0


@pytest.mark.parametrize("person", [cast.nadia, cast.pat, cast.ada, cast.audra])
def test_everybody_with_a_role_has_the_page(client: Client, person: Callable[[], User]) -> None:
    assert "Your access" in page(cast.sign_in(client, person()))


def test_nobody_without_a_role_has_it(client: Client) -> None:
    cast.sign_in(client, cast.mallory())
    assert client.get("/access/").status_code == 403
    assert client.post("/access/submit/", {"revision": 0}).status_code == 403


def test_a_clinician_who_is_not_cleared_lands_there(nadia: Client) -> None:
    assert nadia.get("/")["Location"] == "/access/"
    assert cast.sign_in(Client(), cast.pat()).get("/")["Location"] == "/library/"
    assert cast.sign_in(Client(), cast.alice()).get("/")["Location"] == "/ask/"
    closed = nadia.get("/ask/")
    assert closed.status_code == 403
    assert "Go to your access" in closed.content.decode()


def test_sending_in_before_training_says_what_is_missing(nadia: Client) -> None:
    assert "Three of seven steps are done" in page(nadia), "with no policy in force there is none to accept"
    answer = nadia.post("/access/submit/", {"revision": 0}, follow=True)
    assert "What is missing: Pass the module" in answer.content.decode()
    assert "Send in your request" not in page(nadia)


def test_sending_in_shows_who_acts_next(nadia: Client) -> None:
    cast.carol()
    certified.train(cast.nadia())
    assert "Send in your request" in page(nadia)
    nadia.post("/access/submit/", {"revision": 0})
    assert "Waits for Carol Chen. Usually one working day." in page(nadia)
    again = nadia.post("/access/submit/", {"revision": 0}, follow=True)
    assert "has changed since you opened it" in again.content.decode(), "a second tab, or a double click"
    nadia.post("/access/withdraw/", {"revision": revision()})
    assert AccessRequest.objects.get().stage == Stage.DRAFT


def test_what_it_was_returned_for_and_revoked_for(nadia: Client) -> None:
    request = sent_in(cast.nadia())
    take(request, Step.RETURN, cast.carol(), reason="The license is not readable")
    assert "The license is not readable" in page(nadia)
    nadia.post("/access/submit/", {"revision": revision()})
    assert AccessRequest.objects.get().round == 2


def test_revoked_begins_anew(nadia: Client) -> None:
    request = reached(Stage.CLEARED)
    assert "Access is on until" in page(nadia)
    take(request, Step.REVOKE, cast.pat(), reason="Shared a password")
    assert "Shared a password" in page(nadia)
    nadia.post("/access/again/", {"revision": revision()})
    assert AccessRequest.objects.get().stage == Stage.DRAFT


def test_a_policy_is_read_and_accepted_in_the_version_that_was_shown(nadia: Client) -> None:
    old = publish("1.0")
    shown = page(nadia, "/access/policies/conduct/")
    assert "<strong>kind</strong>" in shown
    assert "It is new." in shown
    new = publish("2.0")
    stale = nadia.post("/access/policies/conduct/", {"version": str(old.pk)})
    assert "There is a newer version" in stale.content.decode()
    assert not PolicyAcknowledgement.objects.exists()
    assert nadia.post("/access/policies/conduct/", {"version": str(new.pk)})["Location"] == "/access/"
    assert PolicyAcknowledgement.objects.get().policy == new
    assert "Accepted" in page(nadia, "/access/policies/")
    assert nadia.get("/access/policies/no-such/").status_code == 404


def test_accepting_what_had_lapsed_opens_asking_at_once(nadia: Client) -> None:
    reached(Stage.CLEARED)
    policy = publish("1.0")
    cast.nadia().clearances.update(revoked_at=clock.now())
    assert "Asking is closed" in page(nadia)
    nadia.post("/access/policies/conduct/", {"version": str(policy.pk)})
    assert may_ask(cast.nadia())


def test_emergency_access_is_still_below_it() -> None:
    assert cast.sign_in(Client(), cast.alice()).get("/access/emergency/").status_code in {200, 302, 404, 405}
