"""Items for the "needs attention" lists about backups and recovery, the most urgent first."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import reverse

from clinchat.lib import ui_tags
from compliance.attention import Item
from compliance.continuity.overview import Overview
from compliance.continuity.plan import BACKUP_EVERY
from compliance.continuity.restore import display
from compliance.models import Drill, IntegrityRun, Maintenance, Restore, User


def attention(found: Overview, viewer: User) -> list[Item]:
    return [*_integrity(found), *_restore(found, viewer), *_readonly(found), *_backup(found), *_drill(found)]


def _integrity(found: Overview) -> Iterator[Item]:
    run = found.integrity
    if run and run.state == IntegrityRun.State.FINDINGS:
        text = f"Found {ui_tags.at(run.ran_at)}: {ui_tags.listed([one['subject'] for one in run.findings])}."
        yield _item("crit", "octagon-alert", "Integrity", "The data does not fit together", text)


def _restore(found: Overview, viewer: User) -> Iterator[Item]:
    restore = found.restore
    if restore is None or restore.state in display.IN_PROGRESS:
        return
    may, url = display.allowed_actions(restore, viewer), reverse("restore", args=[restore.pk])
    if restore.state == Restore.State.REQUESTED:
        title = f"A restore to “{restore.backup.name}” waits for a second person"
        text = may.why_not or f"Asked for by {restore.requested_by or 'an operator on the server'}."
        yield Item("warn", "hourglass", "Restore", title, text, url, "Decide" if may.approve else "Open")
    else:
        title = f"The restore to “{restore.backup.name}” is done and waits to be accepted"
        yield Item("warn", "hourglass", "Restore", title, "ClinChat is read-only until then.", url, "Open")


def _readonly(found: Overview) -> Iterator[Item]:
    if found.readonly and found.readonly.kind == Maintenance.Kind.MANUAL:
        text = f"Since {ui_tags.moment(found.readonly.started_at)}. {found.readonly.reason}"
        yield _item("warn", "lock", "Read-only", "ClinChat is read-only", text)


def _backup(found: Overview) -> Iterator[Item]:
    if found.held is None:
        text = f"Nothing could be brought back. One is made every {ui_tags.span(BACKUP_EVERY)}."
        yield _item("crit", "hard-drive", "Backup", "No backup has been made", text)
    elif found.backup_late:
        title = f"The last backup is {ui_tags.age(found.held)} old"
        text = f"One is made every {ui_tags.span(BACKUP_EVERY)}."
        yield _item("crit", "hard-drive", "Backup", title, text)


def _drill(found: Overview) -> Iterator[Item]:
    if found.drill is None:
        text = "Whether ClinChat comes back from its backups, and how soon, is not known."
        yield _item("major", "history", "Drill", "No restore drill has been run", text)
    elif found.drill.state != Drill.State.PASSED:
        failed = found.drill.state == Drill.State.FAILED
        title = "The last restore drill failed" if failed else "The last restore drill could not run"
        yield _item("crit" if failed else "major", "history", "Drill", title, found.drill.failure)
    elif found.drill_late:
        text = f"The last one was {ui_tags.age(found.drill.started_at)} ago."
        yield _item("major", "history", "Drill", "A restore drill is overdue", text)


def _item(look: str, icon: str, label: str, title: str, text: str) -> Item:
    return Item(look, icon, label, title, text, reverse("continuity"), "Open")
