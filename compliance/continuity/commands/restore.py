"""manage.py backup restore"""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime

from compliance.continuity.commands import DONE, FAILED, Console, add_json_option, mask_text
from compliance.continuity.refusals import ContinuityError
from compliance.continuity.restore import lost_database, recovery, restoring, sources
from compliance.continuity_forms import LONGEST_REASON
from compliance.models import Backup, Restore

HELP = (
    "Go back to a backup: in a database beside the live one, which then takes its place. Conversations and the "
    "knowledge base go back; accounts, sessions, what was revoked or used, and the audit trail stay as they are. "
    "ClinChat is read-only from the beginning until --accept or --undo. On the server this takes nobody else's word; "
    "on the page it takes two people. Exit code 0: done; 1: nothing was changed, and why; 3: the backup is not what "
    "was put into the store."
)


def arguments(parser: ArgumentParser) -> None:
    add_json_option(parser)
    act = parser.add_mutually_exclusive_group(required=True)
    act.add_argument("key", nargs="?", help="The backup's key, as `backup list` shows it.")
    act.add_argument("--status", action="store_true", help="Say where things stand.")
    act.add_argument("--accept", action="store_true", help="What came back is good: let people write again.")
    act.add_argument("--undo", action="store_true", help="Bring back what was there before the last restore.")
    parser.add_argument(
        "--to-time",
        type=_parse_moment,
        metavar="T",
        help="Go to this moment instead of the backup's own, such as 2026-11-22T16:03:00Z.",
    )
    parser.add_argument(
        "--reason", default="", help="Why. Needed but for --status and --accept; on record, with identifiers masked."
    )
    parser.add_argument(
        "--yes",
        default="",
        metavar="NAME",
        help="The backup's name, as a confirmation (default: you are asked for it).",
    )
    parser.add_argument(
        "--everything",
        action="store_true",
        help="For a database that was lost: take people and trail from the backup as well, and end all sessions.",
    )
    parser.add_argument(
        "--replace-live",
        default="",
        metavar="DATABASE",
        help="With --everything: replace this database although it holds people.",
    )


def run(options: dict[str, Any], console: Console) -> int:
    try:
        if options["status"]:
            return _print_status(options, console)
        if options["accept"]:
            recovery.accept(restore_id=_restore_to_decide().pk, actor=None)
            recovery.settle()
            console.say("Accepted. People can write again.")
            return DONE
        if not options["reason"].strip():
            raise ContinuityError("Say why, with --reason. It is on record.")
        if options["everything"]:
            return _restore_everything(options, console)
        reason = mask_text(options["reason"], where="restore.reason", longest=LONGEST_REASON)
        if options["undo"]:
            return _carry_out(recovery.undo(restore_id=_restore_to_decide().pk, actor=None, reason=reason), console)
        return _carry_out(_request(options, reason), console)
    except recovery.Refused as refused:
        raise ContinuityError(refused.words) from None


def _request(options: dict[str, Any], reason: str) -> Restore:
    backup = Backup.objects.filter(key=options["key"]).first()
    if backup is None:
        raise ContinuityError("The database knows no backup of that key. `backup list` shows those it knows.")
    if options["to_time"] is None:
        sources.verify(backup.key)
    return recovery.request(
        backup_id=backup.pk,
        typed_name=options["yes"] or _ask(f"Type the name of the snapshot ({backup.name}): "),
        reason=reason,
        actor=None,
        to_time=options["to_time"],
    )


def _ask(question: str) -> str:
    try:
        return input(question)
    except EOFError:
        raise ContinuityError("Nobody is there to type the name of the snapshot: give it with --yes.") from None


def _carry_out(restore: Restore, console: Console) -> int:
    console.say("Restoring. People can read meanwhile.")
    restoring.run(restore.pk)
    restore.refresh_from_db()
    if restore.state == Restore.State.FAILED:
        console.say(f"Nothing was changed. {restore.failure}")
        return FAILED
    durations = restore.report["seconds"]
    seconds = ", ".join(f"{step} {durations[step]} s" for step in restoring.STEPS if step in durations)
    console.say(f"Done ({seconds}).")
    if restore.state == Restore.State.DONE:
        console.say("Look at what came back, then: manage.py backup restore --accept, or --undo --reason …")
    return DONE


def _restore_everything(options: dict[str, Any], console: Console) -> int:
    lost = lost_database.Request(options["key"], options["reason"], options["to_time"], options["replace_live"])
    restore = lost_database.restore_everything(lost)
    console.say(
        f"Everything is back as of {restore.report['as_of']}. All sessions, tokens, links and recovery codes ended. "
        "Run manage.py migrate and manage.py audit_verify, then: manage.py backup restore --accept"
    )
    return DONE


def _restore_to_decide() -> Restore:
    restore = recovery.status().open
    if restore is None or restore.state != Restore.State.DONE:
        raise ContinuityError("No restore waits to be accepted or undone.")
    return restore


def _print_status(options: dict[str, Any], console: Console) -> int:
    now = recovery.status()
    shown = now.open or now.last
    content = {
        "restore": str(shown.pk) if shown else None,
        "backup": shown.backup.key if shown else None,
        "state": shown.state if shown else None,
        "step": now.step or (shown.step if shown else ""),
        "running": now.running,
        "read_only": now.read_only,
        "failure": shown.failure if shown else "",
        "report": shown.report if shown else {},
    }
    if options["json"]:
        console.json(content)
    else:
        for name in ("restore", "backup", "state", "step", "running", "read_only", "failure"):
            console.out(f"{name.replace('_', '-'):10} {content[name] if content[name] not in (None, '') else '-'}")
    return DONE


def _parse_moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ArgumentTypeError(f"{text!r} is no moment. Name date, time and time zone: 2026-11-22T16:03:00Z")
    return moment
