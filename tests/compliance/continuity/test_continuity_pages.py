"""The pages of backups and recovery: what they show, who may do what there, and what they refuse."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from kombu.exceptions import OperationalError

from chat.models import IndexProof
from clinchat.lib import clock
from compliance import tasks
from compliance.continuity import overview, plan, urgent
from compliance.continuity.backup import backups
from compliance.continuity.drill import assertions, drills
from compliance.continuity.restore import databases
from compliance.models import Backup, Drill, IntegrityRun, Maintenance, Restore, User, WalShipping
from tests import cast

pytestmark = pytest.mark.django_db
READERS = ("pat", "sam", "carol", "otto", "audra", "ada")
OTHERS = ("alice", "dora", "edith", "mallory")
MAKERS = ("otto", "sam", "ada")
APPROVERS = ("sam", "carol", "ada")
PAGE = "/compliance/continuity/"


def visit(who: str, *, proved: bool = True) -> Client:
    return cast.sign_in(Client(), getattr(cast, who)(), proved=proved)


def words(answer: Any) -> str:
    return " ".join(str(answer.content.decode()).split())


def backup(*, hours: float = 1, **fields: Any) -> Backup:
    at = clock.now() - timedelta(hours=hours)
    known: dict[str, Any] = {
        "name": "Nightly",
        "environment": "local",
        "state": "complete",
        "manifest_sha256": "0" * 64,
    }
    known |= {"requested_at": at, "finished_at": at, "as_of": at, "size": 4096, "stores": ["/backups"]}
    return Backup.objects.create(**(known | fields))


def drill(state: str = "passed", *, days: float = 1, rto: float | None = 31, rpo: float | None = 4) -> Drill:
    asked = [{"key": "rows", "ok": state == "passed", "observed": "72 tables"}]
    at = clock.now() - timedelta(days=days)
    return Drill.objects.create(
        state=state, started_at=at, seconds=40, rto_seconds=rto, rpo_seconds=rpo, assertions=asked
    )


def shipped(*, seconds: float = 20, since_hours: float = 30) -> WalShipping:
    now = clock.now()
    return WalShipping.objects.create(
        since=now - timedelta(hours=since_hours), as_of=now - timedelta(seconds=seconds), position="0/1"
    )


def asked(by: User | None = None, **fields: Any) -> Restore:
    known: dict[str, Any] = {"reason": "A bad import.", "requested_by": by or cast.otto()}
    return Restore.objects.create(**({"backup": backup()} | known | fields))


# ── What is shown ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_fresh_installation_says_never() -> None:
    shown = words(visit("audra").get(PAGE))
    assert "No backup has been made yet." in shown
    assert "None has been run yet, so no time to recover is known." in shown
    assert "Nobody has looked yet whether the data fits together." in shown
    assert shown.count('<span class="clock late">Everything</span>') == len(overview.SERVICES)
    assert "tag ok" not in shown


def test_data_at_risk_is_counted_from_the_log_where_a_base_copy_leads_to_it() -> None:
    backup(hours=3)
    shipped(seconds=20)
    found = overview.overview()
    assert found.recoverable
    assert not found.recoverable.by_log
    assert {one.name for one in found.over} == {one.name for one in overview.SERVICES}
    assert "that it follows is still to be made" in words(visit("audra").get(PAGE))
    backup(hours=40, kind="base")
    assert not overview.overview().recoverable.by_log  # type: ignore[union-attr]  # there is one
    backup(hours=20, kind="base")
    found = overview.overview()
    assert found.recoverable
    assert found.recoverable.by_log
    assert found.over == []
    assert re.search(r"\b[2-5]\d s of 15 min", words(visit("audra").get(PAGE)))


def test_why_the_log_leads_no_further_than_the_last_backup() -> None:
    newest = backup(hours=1)
    assert "The log is not shipped" in words(visit("audra").get(PAGE))
    shipped(seconds=7200)
    shown = words(visit("audra").get(PAGE))
    assert "The log is not shipped" not in shown
    assert "The log in the store ends before it" in shown
    assert overview.overview().recoverable.at == newest.as_of  # type: ignore[union-attr]  # there is one


def test_a_damaged_backup_is_no_good_one() -> None:
    old, _ = backup(hours=9), backup(hours=1, verified_ok=False, verified_at=clock.now())
    found = overview.overview()
    assert found.newest == old
    assert found.backup_tag.words == "Late"
    assert found.verified_tag.words == "Not read back"


def test_the_trend_of_drills_has_its_table() -> None:
    drill(days=15, rto=62)
    drill(days=8, rto=44)
    drill("error", days=3, rto=None, rpo=None)
    drill(days=1)
    shown = words(visit("audra").get(PAGE))
    assert "the last one had the service back in 31.0 s of 15 min and would have lost 4.0 s of 1 min" in shown
    assert "Show as a table" in shown
    assert "1 min 2 s" in shown
    assert "72 tables" in shown


def test_what_a_drill_found_wrong_stands_open_in_words_and_the_rest_is_folded() -> None:
    answers = [("rows", True), ("blocks", False), ("sign_in", None), ("log.rows", True)]
    Drill.objects.create(
        state="failed", assertions=[{"key": key, "ok": ok, "observed": f"seen {key}"} for key, ok in answers]
    )
    of_backup, of_log = overview.overview().asked
    assert [one.words for one in of_backup.others] == [assertions.TITLES["blocks"], assertions.TITLES["sign_in"]]
    assert (len(of_backup.good), len(of_log.good), of_log.others) == (1, 1, [])
    shown = words(visit("audra").get(PAGE))
    assert "1 of 3 as they should be" in shown
    assert shown.index("Not so") < shown.index("Show the other 1") < shown.index("seen rows")


def test_every_question_of_a_drill_has_words() -> None:
    from compliance.continuity.drill import no_rewind, portal_assertions  # noqa: F401  # they register

    assert set(assertions.TITLES) == set(assertions.default_keys()) | assertions.ON_REQUEST


def test_a_drill_over_its_limit_is_drawn_over_it() -> None:
    drill(rto=1800)
    chart = overview.overview().trend
    assert chart is not None
    assert chart.grid[-1].words == "200%"
    assert chart.lines[2].dots == []
    assert "Limit" in chart.lines[2].name


@pytest.mark.parametrize(
    ("made", "title"),
    [
        (lambda: None, "No backup has been made"),
        (lambda: backup(hours=8), "The last backup is 8 h old"),
        (lambda: (backup(), drill("failed")), "The last restore drill failed"),
        (lambda: (backup(), drill("error", rto=None)), "The last restore drill could not run"),
        (lambda: (backup(), drill(days=9)), "A restore drill is overdue"),
        (
            lambda: IntegrityRun.objects.create(
                state="findings", findings=[{"key": "orphans", "subject": "rows of nobody", "count": 2}]
            ),
            "The data does not fit together",
        ),
        (lambda: Maintenance.objects.create(reason="New disks."), "ClinChat is read-only"),
        (asked, "A restore to “Nightly” waits for a second person"),
        (
            lambda: asked(state="done", decided_by=cast.sam()),
            "The restore to “Nightly” is done and waits to be accepted",
        ),
    ],
)
def test_what_needs_attention(made: Any, title: str) -> None:
    client = visit("carol")
    made()
    items = urgent.attention(overview.overview(), cast.carol())
    assert title in [item.title for item in items]
    assert title in words(client.get("/compliance/"))


def test_nothing_needs_attention_when_all_is_well() -> None:
    backup(), drill()
    assert urgent.attention(overview.overview(), cast.carol()) == []


def test_the_list_is_filtered() -> None:
    backup(name="Ours"), backup(name="Of staging", environment="staging"), backup(name="Old release", type="forensic")
    client = visit("audra")

    def listed(query: str) -> set[str]:
        shown = words(client.get(f"{PAGE}{query}")).split('id="snapshots-h"')[1]
        return {name for name in ("Ours", "Of staging", "Old release") if name in shown}

    assert listed("") == {"Ours", "Of staging", "Old release"}
    assert listed("?environment=staging") == {"Of staging"}
    assert listed("?type=forensic&environment=local") == {"Old release"}
    assert listed("?type=nonsense") == {"Ours", "Of staging", "Old release"}


def test_the_page_follows_what_is_under_way() -> None:
    client, state = visit("audra"), reverse("continuity-state")
    assert "follow.js" not in words(client.get(PAGE))
    one = backup(state="running", progress="12 MB of the database")
    with backups._lock(one):  # as the process has it that makes one
        shown = words(client.get(PAGE))
        assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in shown
        assert "12 MB of the database" in shown
        before = client.get(state).json()
        assert before["state"] in shown
        Backup.objects.filter(pk=one.pk).update(progress="13 MB of the database")
        assert (now := client.get(state).json()) != before
    assert client.get(state).json() != now, "nobody makes it any more"


def test_one_whose_process_is_gone_is_not_shown_as_being_made() -> None:
    one, client = backup(state="running", name="Killed"), visit("audra")
    shown = words(client.get(PAGE))
    assert "A backup is under way" not in shown
    assert overview.BROKEN_OFF.words in shown
    own = words(client.get(reverse("snapshot", args=[one.pk])))
    assert "It broke off" in own
    assert "Being made" not in own
    assert "follow.js" in own, "it shows what became of it as soon as that is known"


def test_the_schedule_shows_what_the_keeper_does(settings: Any) -> None:
    settings.BACKUP_PITR = True
    known = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert set(plan.JOBS) <= known, "a task that is shown and never runs"
    now = clock.now()
    found = plan.jobs(now)
    assert len(found) == len(plan.JOBS) + 1
    assert found[-1].next is None
    assert all(job.next is None or job.next > now for job in found)


def test_a_drill_that_runs_is_shown_and_another_waits() -> None:
    client, state = visit("otto"), reverse("continuity-state")
    with databases.drill_lock() as lock:
        lock.report("load")
        shown, before = words(client.get(PAGE)), client.get(state).json()
        assert "A drill is under way: loading the backup into it." in shown
        assert "follow.js" in shown
        assert "Run a drill now" not in shown
        with pytest.raises(databases.DrillInProgress):
            drills.run()
        tasks.run_drill()
    assert not Drill.objects.exists(), "one that waits has not been held"
    shown = words(client.get(PAGE))
    assert "A drill is under way" not in shown
    assert "Run a drill now" in shown
    assert client.get(state).json() != before


def test_the_nightly_proof_is_on_record() -> None:
    def proof() -> plan.Job:
        (found,) = (job for job in plan.jobs(clock.now()) if job.words == "Proof of the vector index")
        return found

    assert (proof().recorded, proof().last) == (True, None)
    made = IndexProof.objects.create(ok=True, passages=1, sampled=1, seconds=1)
    assert proof().last == made.at


def test_the_list_says_who_made_it_and_what_there_is_of_it() -> None:
    backup(type="scheduled", name="Hourly"), backup(name="By command", type="manual")
    backup(name="Broken", type="manual", state="failed", as_of=None, size=0, failure="The disk is full.")
    listed = words(visit("audra").get(PAGE)).split('id="snapshots-h"')[1].split('id="schedule-h"')[0]
    rows = {
        name: next(row for row in listed.split("<tr>") if name in row) for name in ("Hourly", "By command", "Broken")
    }
    assert "By itself" in rows["Hourly"]
    assert "An operator on the server" in rows["By command"]
    assert ">Nothing<" in rows["Broken"]
    assert "bytes" not in rows["Broken"]


def test_stores_are_counted_from_the_record(settings: Any) -> None:
    settings.BACKUP_STORES = ["/backups", "s3://elsewhere"]
    backup(), backup(stores=["/backups", "s3://elsewhere"])
    here, elsewhere = plan.stores()
    assert (here.backups, here.size, here.locked) == (2, 8192, False)
    assert (elsewhere.backups, elsewhere.size, elsewhere.locked) == (1, 4096, None)
    shown = words(visit("audra").get(PAGE)).split('id="storage-h"')[1]
    assert "Not checked" in shown
    assert "2 of 8.0 KB together" in shown


# ── Who ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("who", READERS + OTHERS)
def test_who_reads(who: str) -> None:
    client, wanted = visit(who), 200 if who in READERS else 403
    one = asked()
    pages = (reverse("snapshot", args=[one.backup_id]), reverse("restore", args=[one.pk]), reverse("restores"))
    for address in (PAGE, *pages, reverse("continuity-state")):
        assert client.get(address).status_code == wanted, address


@pytest.mark.parametrize("who", READERS + OTHERS)
def test_who_makes(who: str) -> None:
    client, may = visit(who), who in MAKERS
    assert client.get(reverse("snapshot-new")).status_code == (200 if may else 403)
    sent = {"type": "manual", "name": "Before the move", "reason": "New disks."}
    assert client.post(reverse("snapshot-new"), sent).status_code == (302 if may else 403)
    assert client.post(reverse("continuity-backup")).status_code == (302 if may else 403)
    assert Backup.objects.count() == (2 if may else 0)


@pytest.mark.parametrize("who", READERS + OTHERS)
def test_who_asks_and_who_approves(who: str) -> None:
    client, one = visit(who), backup()
    sent = {"typed_name": "Nightly", "reason": "A bad import."}
    answer = client.post(reverse("snapshot-restore", args=[one.pk]), sent)
    assert answer.status_code == (302 if who in MAKERS else 403)
    Restore.objects.update(state="cancelled")
    other = asked(cast.otto() if who != "otto" else cast.sam())
    answer = client.post(reverse("restore-approve", args=[other.pk]))
    assert answer.status_code == (302 if who in APPROVERS else 403)
    other.refresh_from_db()
    assert (other.state == Restore.State.APPROVED) is (who in APPROVERS)


def test_asking_and_approving_ask_for_both_factors_again() -> None:
    one = asked()
    late = visit("sam", proved=False)
    assert "/signin/again/" in late.post(reverse("restore-approve", args=[one.pk]))["Location"]
    sent = {"typed_name": "Nightly", "reason": "A bad import."}
    assert "/signin/again/" in late.post(reverse("snapshot-restore", args=[one.backup_id]), sent)["Location"]
    one.refresh_from_db()
    assert one.state == Restore.State.REQUESTED


# ── Snapshots ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_snapshot_is_asked_for_and_identifiers_are_masked() -> None:
    sent = {"type": "forensic", "name": "Case 7", "reason": "Mr. Delacroix, MRN 88231904, was told."}
    answer = visit("otto").post(reverse("snapshot-new"), sent)
    one = Backup.objects.get()
    assert answer["Location"] == reverse("snapshot", args=[one.pk])
    assert (one.type, one.name, one.made_by, one.state) == ("forensic", "Case 7", cast.otto(), "waiting")
    assert "Delacroix" not in one.reason
    assert "88231904" not in one.reason


@pytest.mark.parametrize(
    "sent",
    [{}, {"type": "scheduled", "name": "A", "reason": "B"}, {"type": "manual", "name": "A" * 81, "reason": "B"}],
)
def test_what_is_no_request_for_a_snapshot_makes_none(sent: dict[str, str]) -> None:
    answer = visit("otto").post(reverse("snapshot-new"), sent)
    assert answer.status_code == 200
    assert 'aria-invalid="true"' in words(answer)
    assert not Backup.objects.exists()


def test_without_the_queue_it_is_said_that_none_is_made(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    def away(*_: object) -> None:
        raise OperationalError

    monkeypatch.setattr("compliance.tasks.make_backup.delay", away)
    with django_capture_on_commit_callbacks(execute=True):
        answer = visit("otto").post(reverse("continuity-backup"))
    assert answer.status_code == 302
    one = Backup.objects.get()
    assert (one.state, one.failure) == ("failed", "The task queue does not answer. Try again later.")


def test_a_failed_snapshot_says_why_and_offers_no_restore() -> None:
    one = backup(state="failed", failure="The store is full.")
    shown = words(visit("otto").get(reverse("snapshot", args=[one.pk])))
    assert "The store is full." in shown
    assert "Ask for this restore" not in shown


def test_a_snapshot_that_one_store_missed_was_made_all_the_same() -> None:
    one = backup(failure="The store /mnt/other failed: No space left on device.")
    shown = words(visit("otto").get(reverse("snapshot", args=[one.pk])))
    assert "A store was left out" in shown
    assert "No space left on device." in shown
    assert "It was not made" not in shown
    assert "Ask for this restore" in shown
