"""Notices about backups: a weekly status, and one at once when something fails."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db.models import Count, Sum

from clinchat.lib import clock, ui_tags
from compliance import notices
from compliance.access.roles import Role
from compliance.continuity.plan import BACKUP_LATE, DRILL_LATE
from compliance.models import Backup, Drill, Notice

PAGE: Final = "/compliance/continuity/"
RECIPIENTS: Final = (Role.OPERATOR, Role.SECURITY_OFFICER, Role.COMPLIANCE_MANAGER)


def send_weekly() -> int:
    """Send the weekly status; returns the number of recipients."""
    text, attention = status(clock.now())
    level = Notice.Level.WARNING if attention else Notice.Level.INFO
    title = "Backups need a look" if attention else "Backups: the state of this week"
    return notices.tell(notices.holders(*RECIPIENTS), title=title, text=text, url=PAGE, level=level, mail=True)


def status(now: datetime) -> tuple[str, bool]:
    """The status in a few sentences, and whether it needs attention."""
    newest, drill = Backup.objects.complete(Backup.Kind.FULL).first(), Drill.objects.first()
    backup_late = newest is None or newest.as_of is None or now - newest.as_of > BACKUP_LATE
    drill_bad = drill is None or drill.state != Drill.State.PASSED or now - drill.started_at > DRILL_LATE
    damaged = newest is not None and newest.verified_ok is False
    words = [_backup_sentence(newest), _drill_sentence(drill), _storage_sentence()]
    return " ".join(words), backup_late or drill_bad or damaged


def failed(words: str) -> int:
    """Notify of a backup that could not be made; returns the number of recipients, as all of these."""
    return _critical("A backup could not be made", words)


def left_out(words: str) -> int:
    """Notify of a backup that one of the stores does not have."""
    people = notices.holders(Role.OPERATOR, Role.SECURITY_OFFICER)
    title, level = "A store was left out of a backup", Notice.Level.WARNING
    return notices.tell(people, title=title, text=words, url=PAGE, level=level, mail=True)


def unreadable(words: str) -> int:
    """Notify of a backup whose verification failed."""
    return _critical("A backup could not be read back", words)


def _critical(title: str, words: str) -> int:
    people = notices.holders(Role.OPERATOR, Role.SECURITY_OFFICER)
    return notices.tell(people, title=title, text=words, url=PAGE, level=Notice.Level.CRITICAL, mail=True)


def _backup_sentence(newest: Backup | None) -> str:
    if newest is None or newest.as_of is None:
        return "There is no backup."
    verified = {None: "not read back yet", True: "read back whole", False: "NOT what was written when it was read back"}
    return f"The newest backup is {ui_tags.age(newest.as_of)} old, {verified[newest.verified_ok]}."


def _drill_sentence(drill: Drill | None) -> str:
    if drill is None:
        return "No restore was ever tried."
    outcome = drill.get_state_display().lower()
    duration = f", in {drill.rto_seconds:.0f} s" if drill.rto_seconds is not None else ""
    return f"The last restore drill was {ui_tags.age(drill.started_at)} ago: {outcome}{duration}."


def _storage_sentence() -> str:
    kept = Backup.objects.filter(state=Backup.State.COMPLETE).aggregate(number=Count("pk"), size=Sum("size", default=0))
    return f"{kept['number']} backups are kept, {kept['size'] / 2**30:.1f} GiB in each store."
