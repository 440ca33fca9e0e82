"""Snapshots through the API: listing, making, and who may. Every answer is held to the OpenAPI document."""

from __future__ import annotations

from typing import Any

import pytest

from compliance.access import Action, Role, services
from compliance.continuity.backup import backups
from compliance.models import Backup
from tests import cast
from tests.api.conftest import Api
from tests.api.documented import signed_in
from tests.compliance.continuity.test_continuity_pages import backup

pytestmark = pytest.mark.django_db
MAKE = {"type": "pre_deployment", "name": "Before 0.11", "reason": "Deployment of 0.11."}


def test_otto_makes_one_and_alice_does_not() -> None:
    made = signed_in(cast.otto()).post("snapshots", MAKE)
    assert made.status_code == 202
    told = made.json()
    assert (told["state"], told["type"], told["name"], told["made_by"]) == (
        "waiting",
        "pre_deployment",
        "Before 0.11",
        cast.otto().name,
    )
    assert signed_in(cast.otto()).get(f"snapshots/{told['id']}").json() == told
    assert signed_in(cast.alice()).post("snapshots", MAKE).status_code == 403
    assert Backup.objects.count() == 1


def test_audra_reads_and_makes_none() -> None:
    one, audra = backup(), signed_in(cast.audra())
    assert [row["id"] for row in audra.get("snapshots").json()["snapshots"]] == [str(one.pk)]
    assert audra.get(f"snapshots/{one.pk}").status_code == 200
    assert audra.post("snapshots", MAKE).status_code == 403
    alice = signed_in(cast.alice())
    assert alice.get("snapshots").status_code == 403
    assert alice.get(f"snapshots/{one.pk}").status_code == 403


def test_the_list_is_paged_and_filtered() -> None:
    for hours in range(1, 6):
        backup(hours=hours, name=str(hours), type="manual" if hours % 2 else "scheduled")
    backup(hours=9, name="9", environment="staging")
    otto = signed_in(cast.otto())

    def names(query: str) -> tuple[list[str], str | None]:
        told = otto.get(f"snapshots?{query}").json()
        return [row["name"] for row in told["snapshots"]], told["next"]

    first, following = names("limit=2&environment=local")
    assert first == ["1", "2"]
    assert following
    second, following = names(f"limit=2&environment=local&cursor={following}")
    assert second == ["3", "4"]
    assert following
    assert names(f"limit=2&environment=local&cursor={following}") == (["5"], None)
    assert names("type=scheduled") == (["2", "4", "9"], None)
    assert names("environment=staging") == (["9"], None)
    for query in ("type=nonsense", "cursor=nonsense", "order=size"):
        assert otto.get(f"snapshots?{query}").status_code == 400


@pytest.mark.parametrize(
    "body",
    [{}, MAKE | {"type": "scheduled"}, MAKE | {"name": ""}, MAKE | {"name": "A" * 81}, MAKE | {"keep_until": None}],
)
def test_what_is_no_request_makes_none(body: dict[str, Any]) -> None:
    assert signed_in(cast.otto()).post("snapshots", body).status_code == 400
    assert not Backup.objects.exists()


def test_one_whose_process_is_gone_says_so() -> None:
    one, api = backup(state="running"), signed_in(cast.otto())
    assert api.get(f"snapshots/{one.pk}").json()["is_broken_off"] is True
    with backups._lock(one):  # as the process has it that makes one
        assert api.get(f"snapshots/{one.pk}").json()["is_broken_off"] is False


def test_identifiers_are_masked() -> None:
    body = MAKE | {"reason": "Mr. Delacroix, MRN 88231904, was told."}
    told = signed_in(cast.otto()).post("snapshots", body).json()
    assert "Delacroix" not in told["reason"]
    assert "88231904" not in told["reason"]


def test_a_program_makes_one_before_a_deployment_and_asks_for_no_restore() -> None:
    account = services.create(name="Deployment")
    account.role_assignments.create(role=Role.OPERATOR)
    scopes = [Action.READ_CONTINUITY, Action.MAKE_SNAPSHOTS]
    _, token = services.make_token(account_id=account.pk, name="CI", scopes=scopes, days=1, by=cast.sam())
    program = Api()
    program.access = token
    assert program.post("snapshots", MAKE).status_code == 202
    one = backup()
    body = {"snapshot_id": str(one.pk), "typed_name": one.name, "reason": "Why not."}
    assert program.post("recovery/restore", body).status_code == 403
    with pytest.raises(services.NotDelegable):
        services.make_token(account_id=account.pk, name="CI", scopes=[Action.ASK_RESTORE], days=1, by=cast.sam())
