"""Backups and recovery in a browser: making a snapshot, asking for a restore, approving it; and how the pages look."""

from __future__ import annotations

from datetime import timedelta

from django.urls import reverse
from playwright.sync_api import expect

from clinchat.lib import clock
from compliance.continuity import maintenance
from compliance.continuity.backup import backups
from compliance.models import Backup, IntegrityRun, Maintenance, Purge, Restore
from tests import cast
from tests.browser import checks
from tests.browser.conftest import Judged, SignIn
from tests.compliance.continuity.test_continuity_pages import asked, backup, drill, shipped


def test_the_pages_are_in_order(judged: Judged) -> None:
    otto, sam = cast.otto(), cast.sam()
    page = reverse("continuity")
    empty = {page: otto, reverse("compliance"): sam, reverse("snapshot-new"): otto, reverse("rollback"): otto}
    assert judged(empty) == []  # nothing there yet
    newest = backup(hours=1, verified_ok=True, verified_at=clock.now())
    backup(hours=20, kind="base")
    backup(name="Before 0.11", type="pre_deployment", hours=60, verified_ok=False, verified_at=clock.now())
    shipped()
    for days, rto in ((22, 70), (15, 62), (8, 44)):
        drill(days=days, rto=rto)
    drill("failed", days=1)
    IntegrityRun.objects.create(
        state="findings",
        findings=[{"key": "chunk_hashes", "subject": "passages that were altered", "count": 2, "sample": []}],
    )
    Purge.objects.create(rule="Values behind tokens", before=clock.now() - timedelta(days=365), removed=12, held=1)
    asked(otto, state="cancelled")
    backup(name="Before 0.12", type="pre_deployment", hours=50, reason="The new version.")
    making = backup(name="By hand", state="running", progress="12 MB of the database", as_of=None)
    addresses = {page: otto, reverse("compliance"): sam, reverse("snapshot", args=[newest.pk]): otto}
    addresses |= {reverse("snapshot", args=[making.pk]): otto, reverse("restores"): sam, reverse("rollback"): otto}
    assert judged(addresses) == []  # the one that is being made has broken off: nobody makes it
    with backups._lock(making):
        assert judged({page: otto, reverse("snapshot", args=[making.pk]): otto}) == []


def test_a_restore_looks_as_it_should_in_every_state(judged: Judged) -> None:
    otto, sam = cast.otto(), cast.sam()
    one = asked(otto)
    address = reverse("restore", args=[one.pk])
    assert judged({address: otto}) == []
    Restore.objects.filter(pk=one.pk).update(
        state="running", step="load", started_at=clock.now(), decided_by=sam, decided_at=clock.now()
    )
    Maintenance.objects.create(kind="restore", reason="A backup is being restored.")
    assert judged({address: sam, reverse("continuity"): sam}) == []
    Restore.objects.filter(pk=one.pk).update(state="done", finished_at=clock.now())
    assert judged({address: sam}) == []
    Maintenance.objects.update(ended_at=clock.now())
    maintenance.forget()


def test_otto_makes_a_snapshot_and_asks_and_sam_approves(open_as: SignIn, portal: str) -> None:
    page = open_as(cast.otto())
    page.goto(portal + reverse("continuity"))
    page.get_by_role("link", name="New snapshot").click()
    page.get_by_label("What it is for").select_option("pre_deployment")
    page.get_by_label("Name", exact=True).fill("Before 0.11")
    page.get_by_label("Reason").fill("Deployment of 0.11.")
    checks.send(page, "Make the snapshot")
    expect(page.get_by_role("heading", name="Before 0.11")).to_be_visible()
    expect(page.get_by_role("heading", name="Waiting to be made")).to_be_visible()
    made = Backup.objects.get()
    done = {"state": "complete", "manifest_sha256": "0" * 64, "finished_at": clock.now(), "as_of": clock.now()}
    Backup.objects.filter(pk=made.pk).update(**done)  # as the keeper does; the page sees it by itself
    expect(page.get_by_role("heading", name="Go back to it")).to_be_visible()

    page.get_by_label("Name of the snapshot").fill("Before 0.12")
    page.get_by_label("Reason").fill("It lost answers.")
    checks.send(page, "Ask for this restore")
    expect(page.get_by_text("The name is not the one of this snapshot.")).to_be_visible()
    expect(page.get_by_label("Reason")).to_have_value("It lost answers.")
    page.get_by_label("Name of the snapshot").fill("Before 0.11")
    checks.send(page, "Ask for this restore")
    expect(page.get_by_text("You asked for it; another person must approve.")).to_be_visible()
    expect(page.get_by_role("button", name="Approve and begin")).to_have_count(0)

    second = open_as(cast.sam())
    second.goto(portal + reverse("compliance"))
    second.get_by_role("link", name="Decide: A restore to “Before 0.11” waits for a second person").click()
    checks.send(second, "Approve and begin")
    expect(second.get_by_role("heading", name="About to begin")).to_be_visible()
    assert Restore.objects.get().decided_by == cast.sam()


def test_without_scripts_the_page_follows_by_itself(open_as: SignIn, portal: str) -> None:
    one = backup(state="running", progress="12 MB of the database", as_of=None)
    with backups._lock(one):  # as the process has it that makes one
        page = open_as(cast.otto(), scripts=False)
        page.goto(portal + reverse("snapshot", args=[one.pk]))
        expect(page.get_by_text("12 MB of the database")).to_be_visible()
        Backup.objects.filter(pk=one.pk).update(progress="13 MB of the database")
        expect(page.get_by_text("13 MB of the database")).to_be_visible()
