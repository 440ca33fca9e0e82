"""What the people who answer for backups are told: each Monday how things stand, and at once when one fails."""

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
TOLD: Final = (Role.OPERATOR, Role.SECURITY_OFFICER, Role.COMPLIANCE_MANAGER)


def tell() -> int:
    """The notice of the week; returns to how many people it went."""
    text, worry = status(clock.now())
    level = Notice.Level.WARNING if worry else Notice.Level.INFO
    title = "Backups need a look" if worry else "Backups: the state of this week"
    return notices.tell(notices.holders(*TOLD), title=title, text=text, url=PAGE, level=level, mail=True)


def status(now: datetime) -> tuple[str, bool]:
    """A few sentences, and whether somebody should look into it."""
    newest, drill = Backup.objects.complete(Backup.Kind.FULL).first(), Drill.objects.first()
    backup_old = newest is None or newest.as_of is None or now - newest.as_of > BACKUP_LATE
    drill_bad = drill is None or drill.state != Drill.State.PASSED or now - drill.started_at > DRILL_LATE
    unread = newest is not None and newest.verified_ok is False
    words = [_backup(newest), _drill(drill), _storage()]
    return " ".join(words), backup_old or drill_bad or unread


def failed(words: str) -> int:
    """A backup could not be made."""
    return _alarm("A backup could not be made", words)


def left_out(words: str) -> int:
    """A backup was made, and one of the stores does not have it."""
    people = notices.holders(Role.OPERATOR, Role.SECURITY_OFFICER)
    title, level = "A store was left out of a backup", Notice.Level.WARNING
    return notices.tell(people, title=title, text=words, url=PAGE, level=level, mail=True)


def unreadable(words: str) -> int:
    """A backup was read back, and could not be, or is not what was written."""
    return _alarm("A backup could not be read back", words)


def _alarm(title: str, words: str) -> int:
    people = notices.holders(Role.OPERATOR, Role.SECURITY_OFFICER)
    return notices.tell(people, title=title, text=words, url=PAGE, level=Notice.Level.CRITICAL, mail=True)


def _backup(newest: Backup | None) -> str:
    if newest is None or newest.as_of is None:
        return "There is no backup."
    read = {None: "not read back yet", True: "read back whole", False: "NOT what was written when it was read back"}
    return f"The newest backup is {ui_tags.age(newest.as_of)} old, {read[newest.verified_ok]}."


def _drill(drill: Drill | None) -> str:
    if drill is None:
        return "No restore was ever tried."
    came = drill.get_state_display().lower()
    took = f", in {drill.rto_seconds:.0f} s" if drill.rto_seconds is not None else ""
    return f"The last restore drill was {ui_tags.age(drill.started_at)} ago: {came}{took}."


def _storage() -> str:
    kept = Backup.objects.filter(state=Backup.State.COMPLETE).aggregate(number=Count("pk"), size=Sum("size", default=0))
    return f"{kept['number']} backups are kept, {kept['size'] / 2**30:.1f} GiB in each store."
