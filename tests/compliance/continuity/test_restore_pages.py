"""The pages of restores: asking for one, approving it, and accepting or undoing what came back."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.urls import reverse

from clinchat.lib import clock
from compliance.continuity.restore import databases
from compliance.models import Maintenance, Restore
from tests import cast
from tests.compliance.continuity.test_continuity_pages import asked, backup, shipped, visit, words

pytestmark = pytest.mark.django_db


def test_a_restore_takes_the_right_name() -> None:
    one, client = backup(), visit("otto")
    address = reverse("snapshot-restore", args=[one.pk])
    answer = client.post(address, {"typed_name": "nightly", "reason": "A bad import."})
    assert "The name is not the one of this snapshot." in words(answer)
    assert not Restore.objects.exists()
    answer = client.post(address, {"typed_name": "Nightly", "reason": "A bad import."})
    made = Restore.objects.get()
    assert answer["Location"] == reverse("restore", args=[made.pk])
    assert (made.state, made.requested_by, made.to_time) == (Restore.State.REQUESTED, cast.otto(), None)


def test_a_moment_is_asked_for_only_where_the_log_reaches_it() -> None:
    one, client = backup(), visit("otto")
    address, now = reverse("snapshot", args=[one.pk]), clock.now()
    assert "Go back to this moment" not in words(client.get(address))
    shipped(), backup(hours=20, kind="base")
    assert "Go back to this moment" in words(client.get(address))
    sent = {"typed_name": "Nightly", "reason": "A bad import.", "to_time": (now + timedelta(hours=1)).strftime("%F %T")}
    answer = client.post(address + "restore/", sent)
    assert "That moment cannot be brought back" in words(answer)
    sent["to_time"] = (now - timedelta(minutes=9)).strftime("%F %T")
    assert client.post(address + "restore/", sent).status_code == 302
    assert Restore.objects.get().to_time == (now - timedelta(minutes=9)).replace(microsecond=0)


def test_who_asked_does_not_approve_and_is_told_why() -> None:
    one = asked(cast.sam())
    client, address = visit("sam"), reverse("restore", args=[one.pk])
    shown = words(client.get(address))
    assert "You asked for it; another person must approve." in shown
    assert "Approve and begin" not in shown
    assert "Cancel the restore" in shown
    answer = client.post(address + "approve/", follow=True)
    assert "A second person must approve" in words(answer)
    one.refresh_from_db()
    assert one.state == Restore.State.REQUESTED


def test_the_second_person_approves_and_the_page_follows_it() -> None:
    one = asked()
    client, address = visit("carol"), reverse("restore", args=[one.pk])
    assert "Approve and begin" in words(client.get(address))
    answer = client.post(address + "approve/", follow=True)
    assert "About to begin" in words(answer)
    Restore.objects.filter(pk=one.pk).update(state="running", step="load", started_at=clock.now())
    with databases.restore_lock(one.pk) as lock:  # as the process has it that carries one out
        lock.report("load")
        shown = words(client.get(address))
    assert shown.count('<li class="done">') == 3
    assert '<li class="now" aria-current="step">' in shown
    assert "It broke off" not in shown
    assert client.post(address + "approve/", follow=True).status_code == 200  # told that it was decided
    shown = words(client.get(address))
    assert "It broke off" in shown, "nobody carries it out any more"
    assert "Under way" not in shown


def test_who_reads_may_decide_nothing() -> None:
    one = asked()
    shown = words(visit("audra").get(reverse("restore", args=[one.pk])))
    assert "Your role does not approve restores." in shown
    assert "Approve and begin" not in shown
    assert "Cancel the restore" not in shown


def test_canceling_changes_nothing_else() -> None:
    one = asked()
    answer = visit("otto").post(reverse("restore-cancel", args=[one.pk]), follow=True)
    assert "The restore is canceled." in words(answer)
    one.refresh_from_db()
    assert one.state == Restore.State.CANCELLED
    assert not Maintenance.objects.exists()


def test_what_is_done_is_accepted_or_undone() -> None:
    one = asked(state="done", decided_by=cast.sam(), started_at=clock.now(), before=backup(type="pre_restore"))
    Maintenance.objects.create(kind="restore", reason="A restore.")
    shown = words(visit("otto").get(reverse("restore", args=[one.pk])))
    assert "Undo the restore" in shown
    assert "Accept the restored state" not in shown
    answer = visit("otto").post(reverse("restore-undo", args=[one.pk]), {"reason": ""})
    assert "Say why." in words(answer)
    answer = visit("carol").post(reverse("restore-accept", args=[one.pk]), follow=True)
    assert "Accepted. ClinChat can be written to again." in words(answer)
    assert not Maintenance.objects.filter(ended_at=None).exists()


def test_what_replaced_a_lost_database_is_not_undone() -> None:
    one = asked(state="done", emergency=True, decided_by=cast.sam(), started_at=clock.now())
    client, address = visit("otto"), reverse("restore", args=[one.pk])
    shown = words(client.get(address))
    assert "No snapshot was made before it" in shown
    assert "Undo the restore" not in shown
    answer = client.post(reverse("restore-undo", args=[one.pk]), {"reason": "A bad import."}, follow=True)
    assert "so it cannot be undone" in words(answer)
    one.refresh_from_db()
    assert one.state == Restore.State.DONE


# ── Emergency rollback ──────────────────────────────────────────────────────────────────────────────────────────


def test_an_emergency_goes_back_to_before_the_last_deployment() -> None:
    backup(hours=9, type="pre_deployment", name="Version 8")
    target = backup(hours=5, type="pre_deployment", name="Version 9")
    backup(hours=1, name="Nightly")
    client, address = visit("otto"), reverse("rollback")
    assert address in words(client.get(reverse("continuity")))
    shown = words(client.get(address))
    assert reverse("snapshot", args=[target.pk]) in shown
    assert "Version 8" not in shown
    answer = client.post(address, {"typed_name": "Nightly", "reason": "The new version answers nothing."})
    assert "The name is not the one of this snapshot." in words(answer)
    assert 'value="Nightly"' in words(answer), "what was typed stays"
    answer = client.post(address, {"typed_name": "Version 9", "reason": ""})
    assert "Say why." in words(answer)
    assert not Restore.objects.exists()
    answer = client.post(address, {"typed_name": "Version 9", "reason": "The new version answers nothing."})
    made = Restore.objects.get()
    assert answer["Location"] == reverse("restore", args=[made.pk])
    assert (made.backup, made.emergency, made.state) == (target, True, Restore.State.REQUESTED)
    assert (made.requested_by, made.decided_by) == (cast.otto(), None)
    assert "Emergency" in words(client.get(answer["Location"]))
    assert reverse("restore", args=[made.pk]) in words(client.get(address)), "one is open at a time"
    answer = client.post(address, {"typed_name": "Version 9", "reason": "Again."})
    assert Restore.objects.count() == 1


def test_a_rollback_takes_a_second_person_too() -> None:
    backup(type="pre_restore", name="Before")
    client = visit("sam")
    client.post(reverse("rollback"), {"typed_name": "Before", "reason": "A bad restore."})
    one = Restore.objects.get()
    address = reverse("restore-approve", args=[one.pk])
    assert "A second person must approve" in words(client.post(address, follow=True))
    assert "About to begin" in words(visit("carol").post(address, follow=True))


def test_without_such_a_snapshot_there_is_no_rollback() -> None:
    backup(), backup(type="pre_deployment", name="Damaged", verified_ok=False)
    client, address = visit("otto"), reverse("rollback")
    assert "There is nothing to roll back to" in words(client.get(address))
    answer = client.post(address, {"typed_name": "Damaged", "reason": "A bad import."})
    assert "There is nothing to roll back to" in words(answer)
    assert not Restore.objects.exists()


def test_who_may_ask_for_a_rollback() -> None:
    backup(type="pre_deployment", name="Version 9")
    address, sent = reverse("rollback"), {"typed_name": "Version 9", "reason": "A bad import."}
    for who in ("audra", "carol", "alice"):
        client = visit(who)
        assert (client.get(address).status_code, client.post(address, sent).status_code) == (403, 403), who
    assert address not in words(visit("audra").get(reverse("continuity")))
    answer = visit("otto", proved=False).post(address, sent)
    assert answer["Location"].startswith(reverse("signin-again"))
    assert not Restore.objects.exists()


def test_nothing_of_nothing() -> None:
    client, nothing = visit("sam"), uuid4()
    for name in ("snapshot", "restore"):
        assert client.get(reverse(name, args=[nothing])).status_code == 404
    for name in ("snapshot-verify", "snapshot-restore", "restore-approve", "restore-cancel", "restore-accept"):
        assert client.post(reverse(name, args=[nothing])).status_code == 404
