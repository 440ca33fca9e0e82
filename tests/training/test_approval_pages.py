"""The pages of those who decide: what waits, one request whole, approving one and several, and who may see what."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client

from compliance.access import Role
from compliance.models import AuditEvent, Code, User
from tests import cast
from tests.factories import make_user
from tests.training.making_approvals import license_found, mine, reached, staff
from training.models import AccessRequest, StageDecision
from training.models.approvals import Stage

pytestmark = pytest.mark.django_db
LIST = "/compliance/approvals/"


def signed_in(person: Callable[[], User] | User, *, proved: bool = True) -> Client:
    return cast.sign_in(Client(), person if isinstance(person, User) else person(), proved=proved)


def page(client: Client, address: str = LIST) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def opened_in(text: str) -> str:
    found = re.search(r'name="opened" value="([^"]+)"', text)
    assert found
    return found[1]


def decide(client: Client, request: AccessRequest, **sent: str) -> str:
    """Send the form of the page as it stands now; returns what is shown after."""
    given = {"opened": opened_in(page(client, request.get_absolute_url())), **sent}
    answer = client.post(f"{request.get_absolute_url()}decide/", given, follow=True)
    return " ".join(answer.content.decode().split())


def test_four_people_approve_on_their_pages() -> None:
    request = reached(Stage.TRAINED)
    until = str(license_found().until)
    sent = {"license_kind": "RN", "license_state": "Oregon", "license_until": until}
    assert "identity and license are confirmed" in decide(signed_in(cast.carol), request, step="identity", **sent)
    for person, step in ((cast.dora, "approve_head"), (cast.pat, "approve_privacy"), (cast.sam, "approve_security")):
        assert "What exactly will be granted" in page(signed_in(person), request.get_absolute_url())
        decide(signed_in(person), request, step=step)
    request.refresh_from_db()
    assert (request.stage, request.license_kind) == (Stage.CLEARED, "RN")
    assert StageDecision.objects.exclude(looked_seconds=None).count() == 4


@pytest.mark.parametrize(
    ("person", "reads", "decides"),
    [
        (cast.pat, 200, 200),
        (cast.ada, 200, 200),
        (cast.audra, 200, 403),
        (cast.alice, 403, 403),
        (cast.edith, 403, 403),
        (cast.mallory, 403, 403),
    ],
)
def test_who_reads_and_who_decides(person: Callable[[], User], reads: int, decides: int) -> None:
    request = reached(Stage.TRAINED)
    client = signed_in(person)
    assert client.get(LIST).status_code == reads
    assert client.get(request.get_absolute_url()).status_code == reads
    assert client.post(f"{request.get_absolute_url()}decide/", {}).status_code == decides
    assert client.get(f"{LIST}delegations/").status_code == decides


def test_a_head_sees_the_own_department_alone() -> None:
    request = reached(Stage.IDENTIFIED)
    surgeon = make_user(roles=[Role.CLINICIAN], department="Surgery", name="Sue Surgeon")
    elsewhere = AccessRequest.objects.create(person=surgeon)
    dora = signed_in(cast.dora)
    assert "Nadia Novak" in page(dora)
    assert "Sue Surgeon" not in page(dora)
    assert dora.get(request.get_absolute_url()).status_code == 200
    assert dora.get(elsewhere.get_absolute_url()).status_code == 404
    refused = AuditEvent.objects.get(code=Code.AUTHZ_FAIL, actor=cast.dora())
    assert refused.object_id == str(elsewhere.pk)
    assert "Sue Surgeon" in page(signed_in(cast.pat), f"{LIST}?department=Surgery&stage=draft")
    assert "Nadia Novak" not in page(signed_in(cast.pat), f"{LIST}?department=Surgery")
    assert "No request matches" in page(signed_in(cast.pat), f"{LIST}?mine=on")
    assert "Nadia Novak" in page(dora, f"{LIST}?mine=on&stage=waiting&q=novak")


def test_what_waits_for_whom() -> None:
    request = reached(Stage.HEAD)
    assert mine(cast.pat()) == {request}
    assert mine(cast.dora()) == mine(cast.sam()) == mine(cast.nadia()) == set()


def test_deciding_takes_both_factors_of_the_last_ten_minutes() -> None:
    request = reached(Stage.HEAD)
    pat = signed_in(cast.pat, proved=False)
    text = page(pat, request.get_absolute_url())
    answer = pat.post(f"{request.get_absolute_url()}decide/", {"opened": opened_in(text), "step": "approve_privacy"})
    assert answer["Location"].startswith("/signin/again/")
    assert AccessRequest.objects.get(pk=request.pk).stage == Stage.HEAD


def test_an_old_or_forged_page_is_told() -> None:
    request = reached(Stage.HEAD)
    pat = signed_in(cast.pat)
    old = opened_in(page(pat, request.get_absolute_url()))
    AccessRequest.objects.filter(pk=request.pk).update(revision=request.revision + 1)
    assert "has changed since you opened it" in decide(pat, request, step="approve_privacy", opened=old)
    assert "The page is too old" in decide(pat, request, step="approve_privacy", opened=f"{old}x")
    other = opened_in(page(pat, reached(Stage.HEAD, cast.bob()).get_absolute_url()))
    assert "The page is too old" in decide(pat, request, step="approve_privacy", opened=other)
    assert AccessRequest.objects.get(pk=request.pk).stage == Stage.HEAD


def test_returning_takes_a_reason_which_is_masked() -> None:
    request = reached(Stage.HEAD)
    pat = signed_in(cast.pat)
    assert "Say why" in decide(pat, request, step="return")
    decide(pat, request, step="return", reason="Wrong license, like MRN 00412345")
    reason = StageDecision.objects.get(step="return").reason
    assert "00412345" not in reason
    assert "Wrong license" in reason


def test_several_are_approved_each_with_its_own_tick() -> None:
    staff()
    both = [reached(Stage.HEAD), reached(Stage.HEAD, cast.bob())]
    pat = signed_in(cast.pat)
    text = page(pat)
    rows = re.findall(r'name="row" value="([^"]+)"', text)
    assert len(rows) == 2
    nothing = pat.post(f"{LIST}approve/", {"opened": opened_in(text)}, follow=True)
    assert "Tick at least one request" in nothing.content.decode()
    pat.post(f"{LIST}approve/", {"opened": opened_in(text), "row": rows})
    assert {AccessRequest.objects.get(pk=one.pk).stage for one in both} == {Stage.PRIVACY}
    again = pat.post(f"{LIST}approve/", {"opened": opened_in(text), "row": rows}, follow=True)
    assert "not one of the choices" in again.content.decode(), "they wait for somebody else now"


def test_what_waits_for_somebody_else_cannot_be_ticked() -> None:
    request = reached(Stage.IDENTIFIED)
    pat = signed_in(cast.pat)
    assert 'name="row"' not in page(pat)
    pat.post(f"{LIST}approve/", {"opened": opened_in(page(pat)), "row": [f"{request.pk}:{request.revision}"]})
    assert AccessRequest.objects.get(pk=request.pk).stage == Stage.IDENTIFIED


def test_reading_is_on_record() -> None:
    request = reached(Stage.HEAD)
    page(signed_in(cast.audra), request.get_absolute_url())
    assert AuditEvent.objects.filter(code=Code.SENSITIVE_READ, object_id=str(request.pk)).exists()
