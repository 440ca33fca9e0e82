"""A hospital's changes of the table as a file, to be kept or taken to another installation.

One JSON object: `format`, `format_version`, `table` (the version it was written beside), `exported_at` and `changes`.
Each change has the fields of FIELDS, and `shipped` and `status` for its reader: whoever imports it proposes it anew.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Q

from chat import days
from chat.forms import NOT_TEXT
from chat.interaction_forms import ChangeForm
from chat.interactions import changes
from chat.models import LocalInteraction
from clinchat.lib import clock
from compliance import audit
from compliance.models import User

FORMAT: Final = "clinchat-local-interactions"
FORMAT_VERSION: Final = 1
MOST: Final = 200
"""Changes in one file; each of them is decided on by a person."""
FIELDS: Final = (
    "a",
    "b",
    "severity",
    "mechanism",
    "effect",
    "management",
    "source_name",
    "source_ref",
    "reason",
    "expires_on",
)
NOT_CHECKED_HERE: Final = "The words could not be checked for patient identifiers. Send the file again in a minute."
FOR_READERS: Final = ("shipped", "status")


class Malformed(Exception):
    """Nothing was imported. `problems` say why, each with the number of its entry."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("Malformed")
        self.problems = problems


class _NotChecked(Malformed):
    """Words could not be masked: no other entry is tried."""


@dataclass(frozen=True)
class Imported:
    """`skipped`: their pairs wait for a second person already, or are in force with the same severity."""

    proposed: int
    skipped: int


def export() -> dict[str, Any]:
    """The changes in force and those that wait, as the object of the file. On record."""
    table = changes.table_in_use()
    rows = LocalInteraction.objects.filter(
        Q(status=LocalInteraction.Status.PROPOSED)
        | Q(status=LocalInteraction.Status.APPROVED, expires_on__gte=days.today())
    ).order_by("a", "b", "proposed_at")
    audit.record(
        code=audit.Code.SENSITIVE_READ,
        action=audit.Crude.READ,
        object_type="chat.LocalInteraction",
        detail={"step": "export"},
    )
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "table": table.version if table else "",
        "exported_at": clock.now().isoformat(timespec="seconds"),
        "changes": [_entry(row) for row in rows],
    }


def text(content: dict[str, Any]) -> str:
    """The file, the same for the same changes but for the moment in it."""
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _entry(row: LocalInteraction) -> dict[str, str]:
    return {name: str(getattr(row, name)) for name in (*FIELDS, *FOR_READERS)}


def take_in(*, text: str, by: User, url: str) -> Imported:
    """Propose every change of a file, all or none. `url` is the page that the deciders are sent to.

    Raises Malformed.
    """
    entries, problems, made = _entries(text), [], []
    known = _known()
    seen: dict[tuple[str, str], int] = {}
    skipped = 0
    for number, entry in enumerate(entries, 1):
        try:
            change = _read(entry, by)
        except _NotChecked:
            raise
        except Malformed as malformed:
            problems += [f"Entry {number}: {problem}" for problem in malformed.problems]
            continue
        pair = (change.a, change.b)
        if pair in seen:
            problems.append(f"Entry {number}: the same pair as entry {seen[pair]}.")
        elif (change.a, change.b, change.severity) in known or (change.a, change.b, "") in known:
            skipped += 1
        else:
            try:
                changes.check(change)
            except changes.Refused as refused:
                problems.append(f"Entry {number}: {_label(refused.field)}: {refused.words}")
            made.append(change)
        seen.setdefault(pair, number)
    if problems:
        raise Malformed(problems)
    try:
        changes.propose_all(changes=made, by=by, url=url)
    except changes.AlreadyThere:
        raise Malformed(["Somebody proposed a change of one of these pairs at this moment. Send it again."]) from None
    return Imported(len(made), skipped)


def _known() -> set[tuple[str, str, str]]:
    """Pairs with a severity that is in force, and with none where a proposal waits."""
    in_force = LocalInteraction.objects.in_force(days.today()).values_list("a", "b", "severity")
    return {*in_force, *((a, b, "") for a, b in LocalInteraction.objects.open().values_list("a", "b"))}


def _entries(text: str) -> list[Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise Malformed(["The file is not JSON."]) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise Malformed([f"The file is not an export of changes: its “format” is not “{FORMAT}”."])
    if content.get("format_version") != FORMAT_VERSION:
        raise Malformed([f"This ClinChat reads “format_version” {FORMAT_VERSION} alone."])
    entries = content.get("changes")
    if not isinstance(entries, list) or not entries:
        raise Malformed(["“changes” is not a list with at least one change."])
    if len(entries) > MOST:
        raise Malformed([f"The file holds {len(entries):,} changes. At most {MOST} are taken at once."])
    return entries


def _read(entry: Any, by: User) -> LocalInteraction:
    """An entry as a change that is not stored, its words masked. Raises Malformed."""
    if not isinstance(entry, dict) or not all(isinstance(value, str) for value in entry.values()):
        raise Malformed(["it is not an object whose values are strings."])
    if NOT_TEXT.search("".join((*entry, *entry.values()))):
        raise Malformed(["it holds characters that are not text."])
    if unknown := sorted(set(entry) - {*FIELDS, *FOR_READERS}):
        raise Malformed([f"“{unknown[0][:40]}” is no field of a change."])
    form = ChangeForm(entry)
    if any(form.has_error(name, "masking") for name in FIELDS):
        raise _NotChecked([NOT_CHECKED_HERE])
    if not form.is_valid():
        raise Malformed([f"{_label(name)}: {' '.join(map(str, words))}" for name, words in form.errors.items()])
    data = form.cleaned_data
    pair = {"a": min(data["a"], data["b"]), "b": max(data["a"], data["b"])}
    return LocalInteraction(**data | pair, proposed_by=by, proposed_at=clock.now())


def _label(field: str) -> str:
    return str(ChangeForm.base_fields[field].label).lower() if field in ChangeForm.base_fields else "entry"
