"""Requests for access in the admin: the list by stage, what would be granted, and decisions with a tick for each."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from tests import cast
from tests.training import certified
from tests.training.making_approvals import license_found, may_ask, reached
from training.models import AccessRequest, StageDecision
from training.models.approvals import Stage

pytestmark = pytest.mark.django_db
LIST = "/admin/training/accessrequest/"


@pytest.fixture
def ada(client: Client) -> Client:
    certified.train(cast.ada())
    return cast.sign_in(client, cast.ada())


def chosen(action: str, *requests: AccessRequest) -> dict[str, object]:
    return {"action": action, "_selected_action": [str(one.pk) for one in requests]}


def confirm(client: Client, action: str, *requests: AccessRequest, **sent: str) -> str:
    """The second page, each row ticked; returns the list after it."""
    text = client.post(LIST, chosen(action, *requests)).content.decode()
    hidden = dict(re.findall(r'name="([0-9a-f-]{36}-opened)" value="([^"]+)"', text))
    assert len(hidden) == len(requests)
    ticks = {f"{one.pk}-sure": "on" for one in requests}
    fields = {f"{requests[0].pk}-{name}": value for name, value in sent.items() if name != "reason"}
    given = {**chosen(action, *requests), **hidden, **ticks, **fields, "confirmed": "yes"}
    if "reason" in sent:
        given["reason"] = sent["reason"]
    return client.post(LIST, given, follow=True).content.decode()


def test_lists_and_records_are_only_looked_at(ada: Client) -> None:
    request = reached(Stage.IDENTIFIED)
    assert "Nadia Novak" in ada.get(f"{LIST}?stage=identified&person__department=Internal medicine").content.decode()
    assert "Nadia Novak" not in ada.get(f"{LIST}?stage=cleared").content.decode()
    detail = ada.get(f"{LIST}{request.pk}/change/").content.decode()
    assert "goes on to the privacy officer" in detail
    assert "Identity and license checked, by Carol Chen" in detail
    for name in ("stagedecision", "certificate", "attempt", "enrolment", "moduleversion"):
        assert ada.get(f"/admin/training/{name}/").status_code == 200
        assert ada.get(f"/admin/training/{name}/add/").status_code == 403
    assert ada.get("/admin/compliance/policyversion/").status_code == 200
    assert ada.post(f"{LIST}{request.pk}/change/", {"stage": "cleared"}).status_code == 403
    assert ada.post(f"{LIST}{request.pk}/delete/", {"post": "yes"}).status_code == 403


def test_the_admin_is_closed_to_others() -> None:
    for person in (cast.carol, cast.pat, cast.dora, cast.audra):
        assert cast.sign_in(Client(), person()).get(LIST).status_code == 403


def test_an_administrator_checks_identity_and_license(ada: Client) -> None:
    request = reached(Stage.TRAINED)
    until = str(license_found().until)
    text = confirm(ada, "approve", request, license_kind="MD", license_state="Ohio", license_until=until)
    assert "Nadia Novak: done" in text
    request.refresh_from_db()
    assert (request.stage, request.license_state) == (Stage.IDENTIFIED, "Ohio")
    assert StageDecision.objects.get(step="identity").by == cast.ada()


def test_without_its_license_it_stays(ada: Client) -> None:
    request = reached(Stage.TRAINED)
    assert "Enter the kind of license" in confirm(ada, "approve", request)
    request.refresh_from_db()
    assert request.stage == Stage.TRAINED


def test_what_another_role_decides_is_refused_in_words(ada: Client) -> None:
    request, cleared = reached(Stage.HEAD), reached(Stage.CLEARED, cast.bob())
    assert "Your roles do not include this decision" in confirm(ada, "approve", request)
    assert "Your roles do not include this decision" in confirm(ada, "suspend", cleared, reason="Revoked")
    assert may_ask(cast.bob())


def test_returning_takes_a_reason(ada: Client) -> None:
    request = reached(Stage.TRAINED)
    confirm(ada, "send_back", request, reason=" ")
    request.refresh_from_db()
    assert request.stage == Stage.TRAINED
    confirm(ada, "send_back", request, reason="The photo does not match")
    request.refresh_from_db()
    assert request.stage == Stage.RETURNED


def test_nothing_is_decided_without_ticks_or_a_fresh_second_factor(ada: Client) -> None:
    request = reached(Stage.TRAINED)
    text = ada.post(LIST, chosen("send_back", request)).content.decode()
    hidden = dict(re.findall(r'name="([0-9a-f-]{36}-opened)" value="([^"]+)"', text))
    sent = {**chosen("send_back", request), **hidden, "confirmed": "yes", "reason": "Why not"}
    assert "Tick each request you mean" in ada.post(LIST, sent, follow=True).content.decode()
    cast.sign_in(ada, cast.ada(), proved=False)
    assert ada.post(LIST, chosen("approve", request))["Location"].startswith("/signin/again/")
    request.refresh_from_db()
    assert request.stage == Stage.TRAINED


def test_a_clearance_of_onboarding_is_not_revoked_beside_its_request(ada: Client) -> None:
    reached(Stage.CLEARED)
    clearance = cast.nadia().clearances.get()
    sent = {"action": "revoke", "_selected_action": [str(clearance.pk)]}
    answer = ada.post("/admin/compliance/clearance/", sent, follow=True)
    assert "suspended in the list of access requests" in answer.content.decode()
    assert may_ask(cast.nadia())
