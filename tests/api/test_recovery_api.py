"""Restores through the API: two people, a typed name, and what is refused. Held to the OpenAPI document."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from clinchat.lib import clock
from compliance.continuity.restore import databases
from compliance.models import Backup, Maintenance, Restore
from tests import cast
from tests.api.documented import Documented, signed_in
from tests.compliance.continuity.test_continuity_pages import asked, backup, drill

pytestmark = pytest.mark.django_db
REASON = {"reason": "It lost answers."}


def wish(one: Backup, **changes: Any) -> dict[str, Any]:
    return {"snapshot_id": str(one.pk), "typed_name": one.name, **REASON} | changes


def stale(user: Any) -> Documented:
    """Somebody who showed both factors too long ago."""
    api = signed_in(user)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE compliance_tokenfamily SET created_at = created_at - interval '11 minutes'")
    return api


def test_otto_asks_sam_approves_and_alice_does_neither() -> None:
    one = backup()
    alice = signed_in(cast.alice())
    assert alice.post("recovery/restore", wish(one)).status_code == 403
    answer = signed_in(cast.otto()).post("recovery/restore", wish(one))
    assert answer.status_code == 202
    told = answer.json()
    assert (told["state"], told["snapshot_id"], told["requested_by"]) == ("requested", str(one.pk), cast.otto().name)
    address = f"recovery/restore/{told['id']}/approve"
    assert alice.post(address).status_code == 403
    assert signed_in(cast.otto()).post(address).status_code == 403  # an operator approves none
    approved = signed_in(cast.sam()).post(address)
    assert approved.status_code == 202
    assert (approved.json()["state"], approved.json()["decided_by"]) == ("approved", cast.sam().name)


def test_who_asked_does_not_approve() -> None:
    one = asked(cast.sam())
    answer = signed_in(cast.sam()).post(f"recovery/restore/{one.pk}/approve")
    assert answer.status_code == 409
    assert "A second person must approve" in answer.json()["detail"]
    one.refresh_from_db()
    assert one.state == Restore.State.REQUESTED


def test_audra_reads_how_it_stands_and_decides_nothing() -> None:
    one, audra = asked(), signed_in(cast.audra())
    assert audra.get("recovery/status").json()["restore"]["id"] == str(one.pk)
    for step in ("approve", "cancel", "accept"):
        assert audra.post(f"recovery/restore/{one.pk}/{step}").status_code == 403
    assert audra.post(f"recovery/restore/{one.pk}/undo", REASON).status_code == 403
    assert audra.post("recovery/restore", wish(one.backup)).status_code == 403
    assert signed_in(cast.alice()).get("recovery/status").status_code == 403


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"typed_name": "nightly"}, 409),
        ({"snapshot_id": str(uuid4())}, 409),
        ({"snapshot_id": "1"}, 400),
        ({"reason": " "}, 400),
        ({"to_time": "yesterday"}, 400),
        ({"to_time": "2020-01-01T00:00:00Z"}, 409),
        ({"force": True}, 400),
    ],
)
def test_what_is_refused_opens_nothing(changes: dict[str, Any], status: int) -> None:
    assert signed_in(cast.otto()).post("recovery/restore", wish(backup(), **changes)).status_code == status
    assert not Restore.objects.exists()


def test_one_is_open_at_a_time() -> None:
    one, otto = backup(), signed_in(cast.otto())
    assert otto.post("recovery/restore", wish(one)).status_code == 202
    answer = otto.post("recovery/restore", wish(one))
    assert answer.status_code == 409
    assert "Another restore is open" in answer.json()["detail"]


def test_deciding_needs_both_factors_shown_just_now() -> None:
    one = asked()
    for step, body in (("approve", {}), ("accept", {}), ("undo", REASON)):
        answer = stale(cast.sam()).post(f"recovery/restore/{one.pk}/{step}", body)
        assert answer.status_code == 401, step
        assert "insufficient_user_authentication" in answer["WWW-Authenticate"]
    assert stale(cast.otto()).post("recovery/restore", wish(one.backup)).status_code == 401
    assert stale(cast.otto()).post(f"recovery/restore/{one.pk}/cancel").status_code == 200  # takes nothing away


def test_what_is_done_is_accepted_once() -> None:
    one = asked(state="done", decided_by=cast.sam(), before=backup(type="pre_restore"))
    Maintenance.objects.create(kind="restore", reason="A restore.")
    address = f"recovery/restore/{one.pk}/accept"
    assert signed_in(cast.carol()).post(address).json()["state"] == "accepted"
    assert signed_in(cast.carol()).post(address).status_code == 409
    assert signed_in(cast.otto()).post(f"recovery/restore/{one.pk}/undo", REASON).status_code == 409


def test_what_is_done_is_undone_by_one_person() -> None:
    one = asked(state="done", decided_by=cast.sam(), before=backup(type="pre_restore", name="Before Nightly"))
    answer = signed_in(cast.otto()).post(f"recovery/restore/{one.pk}/undo", REASON)
    assert answer.status_code == 202
    told = answer.json()
    assert (told["state"], told["snapshot_id"]) == ("approved", str(one.before_id))
    one.refresh_from_db()
    assert one.state == Restore.State.UNDONE


def test_an_emergency_goes_back_to_the_newest_snapshot_of_before() -> None:
    otto, body = signed_in(cast.otto()), {"typed_name": "Before 0.11", **REASON}
    assert otto.post("recovery/emergency-rollback", body).status_code == 409  # there is none
    backup(name="Before 0.10", type="pre_deployment", hours=50)
    newest = backup(name="Before 0.11", type="pre_deployment", hours=2)
    backup()
    assert otto.get("recovery/status").json()["rollback_target"]["id"] == str(newest.pk)
    assert otto.post("recovery/emergency-rollback", body | {"typed_name": "Before 0.10"}).status_code == 409
    told = otto.post("recovery/emergency-rollback", body).json()
    assert (told["emergency"], told["snapshot_id"], told["state"]) == (True, str(newest.pk), "requested")


def test_the_status_of_a_fresh_installation_has_nulls_and_no_good_news() -> None:
    told = signed_in(cast.otto()).get("recovery/status").json()
    assert told["recoverable_to"] is told["last_backup"] is told["last_drill"] is told["restore"] is None
    assert {one["at_risk"] for one in told["services"]} == {one["restored_in"] for one in told["services"]} == {None}


def test_the_status_measures_against_the_limits() -> None:
    otto = signed_in(cast.otto())
    backup(hours=2), drill(rto=31)
    Maintenance.objects.create(reason="New disks.")
    told = otto.get("recovery/status").json()
    assert told["is_read_only"] is True
    audit_log = next(one for one in told["services"] if one["service"] == "Audit log")
    assert 7200 <= audit_log["at_risk"] < 7260
    assert (audit_log["rpo"], audit_log["restored_in"], audit_log["rto"]) == (60, 31, 7200)
    assert told["last_backup"]["as_of"] <= (clock.now() - timedelta(hours=2)).isoformat()


def test_restores_are_decided_while_read_only() -> None:
    one, sam = asked(), signed_in(cast.sam())
    Maintenance.objects.create(reason="New disks.")
    assert sam.post(f"recovery/restore/{one.pk}/approve").status_code == 202


def test_one_whose_process_is_gone_says_so() -> None:
    one, otto = asked(state="running", decided_by=cast.sam()), signed_in(cast.otto())
    with databases.restore_lock(one.pk):  # as the process has it that carries one out
        assert otto.get("recovery/status").json()["restore"]["is_broken_off"] is False
    assert otto.get("recovery/status").json()["restore"]["is_broken_off"] is True
