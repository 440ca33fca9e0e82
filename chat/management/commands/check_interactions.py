"""manage.py check_interactions"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from chat.forms import plain
from chat.interactions import check, checks, current, lists
from chat.interactions.current import Current, Unavailable
from chat.models import InteractionCheck
from compliance import masking, phi

WHERE = InteractionCheck.Where.COMMAND
INTERRUPTS, NOT_MADE = 1, 2
NOT_PROOF = "Absence of an interaction here is not proof that there is none."


class Command(BaseCommand):
    help = (
        "Check medicines against each other, named one by one or in a text. Without the database it works with the "
        "backup copy of the table, says so, and leaves nothing on record. Exit code 0: nothing found that interrupts; "
        "1: at least one contraindicated or major interaction; 2: it could not be checked."
    )
    requires_system_checks: list[str] = []  # as Django types it; they would ask the database

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("names", nargs="*", metavar="NAME", help="2 to 30 medicines; quote those of several words.")
        parser.add_argument("--text", help="Check the medicines that this text names.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object instead of text.")
        parser.add_argument("--backup", action="store_true", help="Use the backup copy of the table.")

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["names"]) == bool(options["text"]):
            raise CommandError("Name at least two medicines, or give a --text.", returncode=NOT_MADE)
        try:
            table = current.from_backup() if options["backup"] else checks.table()
            result = _result(table, options["names"], options["text"])
            result = {"id": _keep(result, ask=options["backup"] or not table.from_backup), **result}
        except lists.OneMedicine:
            raise CommandError("Fewer than two medicines were named: add a second one.", returncode=NOT_MADE) from None
        except check.TooMany as many:
            words = f"{many.count} medicines were named. Check at most {many.most} at once."
            raise CommandError(words, returncode=NOT_MADE) from None
        except Unavailable:
            raise CommandError("No interaction table passes its self-test.", returncode=NOT_MADE) from None
        except phi.PhiUnavailable:
            raise CommandError("It could not be masked, so it was not checked.", returncode=NOT_MADE) from None
        self.stdout.write(json.dumps(result, ensure_ascii=False, indent=2) if options["json"] else _text(result))
        if any(map(checks.interrupts, result["found"])):
            sys.exit(INTERRUPTS)


def _result(table: Current, names: list[str], text: str | None) -> checks.Shown:
    if text is None:
        return lists.result(lists.of_names(plain(name) for name in names), table)
    # Without the database nothing is kept, and the hospital's own terms of masking are away.
    words = plain(text)
    return lists.result_of_text(words if table.from_backup else masking.mask(words, where="command").text, table)


def _keep(result: checks.Shown, *, ask: bool) -> str | None:
    """The id of the check in the database, if that answers."""
    try:
        return str(checks.keep(result, where=WHERE, by=None).pk) if ask else None
    except DatabaseError:
        return None


def _text(result: checks.Shown) -> str:
    table = result["table"]
    lines = [f"Interaction table {table['version']}{', from the backup copy' if table['backup'] else ''}"]
    lines += [] if result["id"] else ["Not on record: the database does not answer."]
    lines += [f"Read: {', '.join(_read(one) for one in result['medicines'])}", ""]
    for one in result["found"]:
        cited = "; ".join(f"{source['name']}, {source['ref']}" for source in one["sources"])
        lines += [f"{one['severity'].upper()}: {one['a_name']} with {one['b_name']}", f"  {one['effect']}"]
        lines += [f"  {one['management']}", f"  {cited}"]
    lines += [f"{one['name']} is in {' and '.join(one['names'])}" for one in result["duplicates"]]
    lines += [f"Not covered by the table: {', '.join(result['not_covered'])}"] if result["not_covered"] else []
    lines += [_unknown(one) for one in result["not_recognised"]]
    if number := len(result["none_found"]):
        lines.append(f"{number} pair{'s'[: number > 1]}: none found in this table. {NOT_PROOF}")
    return "\n".join(lines)


def _read(one: dict[str, Any]) -> str:
    holds = ", ".join(one["holds"])
    return str(one["name"]) if holds.lower() == one["name"].lower() else f"{one['name']} ({holds})"


def _unknown(one: dict[str, Any]) -> str:
    meant = f" (did you mean {', '.join(one['suggestions'])}?)" if one["suggestions"] else ""
    return f"Not recognized, so not checked: {one['text']}{meant}"
