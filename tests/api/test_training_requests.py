"""Requests for access through the API: sent in, decided on by the right people, and by no program."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from clinchat.lib import clock
from compliance.access import Action, Role
from compliance.models import AuditEvent, Code, PolicyVersion, RoleAssignment, TokenFamily, User
from tests import cast
from tests.api.documented import Documented, signed_in
from tests.api.editors import program
from tests.api.test_signin import assert_problem
from tests.training import certified, making_approvals
from training.models import AccessRequest, StageDecision
from training.models.approvals import Stage, Step

pytestmark = pytest.mark.django_db


def decide(api: Documented, request: AccessRequest, step: Step, **sent: Any) -> Any:
    """As somebody does who has just read the request."""
    path = f"training/requests/{request.pk}"
    read = api.get(path).json()
    given = {"step": step, "revision": read["revision"], "opened": read["opened"]}
    return api.post(f"{path}/decision", given | sent)


def license_found() -> dict[str, str]:
    return {"kind": "RN", "issuer": "Oregon", "until": str(timezone.localdate() + timedelta(days=400))}


def test_the_way_of_an_applicant_to_access() -> None:
    certified.load_content()
    making_approvals.staff()
    nadia = signed_in(cast.nadia())
    own = nadia.get("training/request").json()
    assert (own["stage"], own["revision"]) == ("draft", 0)
    assert assert_problem(nadia.post("training/request/submit", {"revision": 0}), 409)["missing"] == own["missing"]
    for slug in PolicyVersion.objects.in_force().values_list("slug", flat=True):
        policy = nadia.get(f"training/policies/{slug}").json()
        assert nadia.post(f"training/policies/{slug}/accept", {"version": policy["version_id"]}).json()["covered"]
    certified.train(cast.nadia())
    assert nadia.post("training/request/submit", {"revision": 0}).json()["stage"] == "trained"
    assert_problem(nadia.post("training/request/withdraw", {"revision": 0}), 409)  # from before
    request = AccessRequest.objects.get()
    for step, who in making_approvals.WHO.items():
        api = signed_in(who())
        assert [one["id"] for one in api.get("training/requests?mine=true").json()["requests"]] == [str(request.pk)]
        more = {"license": license_found()} if step == Step.IDENTITY else {}
        assert decide(api, request, step, **more).status_code == 200
    own = nadia.get("training/request").json()
    assert (own["stage"], own["may_ask"]) == ("cleared", True)
    assert {one.looked_seconds for one in StageDecision.objects.exclude(step=Step.SUBMIT)} <= {0, 1, 2}


def test_a_version_that_is_not_in_force_is_not_accepted() -> None:
    certified.load_content()
    nadia, policy = signed_in(cast.nadia()), PolicyVersion.objects.in_force()[0]
    path = f"training/policies/{policy.slug}"
    old = PolicyVersion.objects.create(
        slug=policy.slug, number=1, title="Before", version="0.9", text="Old.", change="None.", sha256="0" * 64
    )
    assert_problem(nadia.post(f"{path}/accept", {"version": str(old.pk)}), 409)
    assert nadia.get("training/policies").json()["policies"][0]["covered"] is False


def test_nobody_approves_two_stages_or_themselves_and_words_say_so() -> None:
    request = making_approvals.reached(Stage.HEAD)
    refused = assert_problem(decide(signed_in(cast.carol()), request, Step.PRIVACY), 403)
    assert refused["detail"] == "Your roles do not include this decision. Nothing was changed."
    pat = cast.pat()
    RoleAssignment.objects.give(user=pat, role=Role.SECURITY_OFFICER)
    api = signed_in(pat)
    assert decide(api, request, Step.PRIVACY).status_code == 200
    refused = assert_problem(decide(api, request, Step.SECURITY), 403)
    assert refused["detail"].endswith("Each stage takes somebody else.")
    own = making_approvals.reached(Stage.IDENTIFIED, cast.dora())
    refused = assert_problem(decide(signed_in(cast.dora()), own, Step.HEAD), 403)
    assert refused["detail"] == "Nobody decides on their own request. Nothing was changed."
    assert AuditEvent.objects.filter(code=Code.AUTHZ_FAIL, object_type="training.AccessRequest").count() == 3


def test_a_decision_on_something_else_is_refused() -> None:
    request = making_approvals.reached(Stage.IDENTIFIED)
    dora, path = signed_in(cast.dora()), f"training/requests/{request.pk}"
    opened = dora.get(path).json()["opened"]
    old = {"step": Step.HEAD, "revision": request.revision - 1, "opened": opened}
    assert_problem(dora.post(f"{path}/decision", old), 409)
    assert_problem(dora.post(f"{path}/decision", old | {"revision": request.revision, "opened": "x"}), 400)
    AccessRequest.objects.update(revision=request.revision + 1)
    assert_problem(dora.post(f"{path}/decision", old | {"revision": request.revision + 1}), 409)
    assert_problem(decide(dora, request, Step.RETURN, reason=""), 422)
    assert_problem(decide(dora, request, Step.SECURITY), 409)
    assert decide(dora, request, Step.RETURN, reason="The license is another one.").json()["stage"] == "returned"


def test_an_old_second_factor_is_refused() -> None:
    request = making_approvals.reached(Stage.IDENTIFIED)
    dora = signed_in(cast.dora())
    TokenFamily.objects.filter(user=cast.dora()).update(created_at=clock.now() - timedelta(minutes=11))
    answer = decide(dora, request, Step.HEAD)
    assert "within the last ten minutes" in assert_problem(answer, 401)["detail"]
    assert 'error="insufficient_user_authentication"' in answer["WWW-Authenticate"]
    request.refresh_from_db()
    assert request.stage == Stage.IDENTIFIED


def test_a_program_decides_nothing_and_others_see_nothing() -> None:
    request = making_approvals.reached(Stage.IDENTIFIED)
    path = f"training/requests/{request.pk}"
    assert_problem(program(Action.READ_STATUS).post(f"{path}/decision", {}), 403)
    assert_problem(signed_in(cast.alice()).get(path), 403)
    User.objects.filter(pk=cast.dora().pk).update(department="Elsewhere")
    dora = signed_in(User.objects.get(pk=cast.dora().pk))
    assert_problem(dora.get(path), 404)
    assert dora.get("training/requests").json()["requests"] == []
    assert len(signed_in(cast.audra()).get("training/requests?stage=waiting").json()["requests"]) == 1
