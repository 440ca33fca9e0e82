"""Which parts work, for people and programs that watch over the service."""

from __future__ import annotations

import pytest
from django.test import Client

from compliance import health
from compliance.access import Action, Role, services
from tests import cast

pytestmark = pytest.mark.django_db

ADDRESS = "/api/health/system"


def test_operator_sees_it_and_a_clinician_does_not(client: Client) -> None:
    answer = cast.sign_in(client, cast.otto()).get(ADDRESS).json()
    assert answer["status"] == "HEALTHY"
    assert {"name": "audit", "status": "HEALTHY"} in answer["services"]
    assert cast.sign_in(Client(), cast.alice()).get(ADDRESS).status_code == 403


def test_a_part_that_is_down_is_named(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(health._probes, "queue", ("Answer queue", lambda: False, True))
    answer = cast.sign_in(client, cast.otto()).get(ADDRESS).json()
    assert answer["status"] == "DEGRADED"
    assert {"name": "queue", "status": "DOWN"} in answer["services"]


def test_a_program_with_that_scope_sees_it_and_one_with_another_does_not() -> None:
    account = services.create(name="Monitoring")
    account.role_assignments.create(role=Role.SECURITY_OFFICER)
    for scope, status in ((Action.READ_STATUS, 200), (Action.BLOCK_NETWORKS, 403)):
        _, text = services.make_token(account_id=account.pk, name=str(scope), scopes=[scope], days=1, by=cast.sam())
        assert Client().get(ADDRESS, headers={"Authorization": f"Bearer {text}"}).status_code == status
