"""Checks as they are made for somebody: run, counted, kept as they were shown, and answered by their reader."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import transaction

from chat.interactions import check, current
from chat.interactions.check import Found, Report
from chat.interactions.current import Current, Unavailable
from chat.interactions.types import Alert, Interaction
from chat.models import InteractionAlert, InteractionCheck, Turn
from chat.models.interactions import LONGEST_NOTE
from clinchat.lib import clock
from compliance import free_text, masking, metrics
from compliance.models import User

logger = logging.getLogger(__name__)
Where = InteractionCheck.Where
Response = InteractionAlert.Response
Shown = dict[str, Any]
UNAVAILABLE: Shown = {"available": False}


class AlreadyAnswered(Exception):
    """Somebody answered the alert before, in another window."""


class NoReason(Exception):
    """An alert is not overridden without a reason."""


def of_text(text: str, beside: Iterable[str] = ()) -> Shown:
    """What a masked text and a list of medicines beside it come to, as it is shown. Never raises: a check that cannot
    be made says so, and a text with too many medicines is not checked."""
    try:
        table = current.current()
        return shown(table, check.check_text(table, text, beside))
    except check.TooMany as many:
        return {"available": True, "too_many": many.count, "most": many.most}
    except Unavailable:
        metrics.count(metrics.INTERACTIONS_UNAVAILABLE)
        return UNAVAILABLE
    except Exception as error:  # noqa: BLE001  # an answer must not fail with the check; its text may quote the question
        logger.error("interactions: the check failed with %s", type(error).__name__)
        metrics.count(metrics.INTERACTIONS_UNAVAILABLE)
        return UNAVAILABLE


def table() -> Current:
    """The table to check with, for whoever says so when there is none. Raises Unavailable, which is counted."""
    try:
        return current.current()
    except Unavailable:
        metrics.count(metrics.INTERACTIONS_UNAVAILABLE)
        raise


def shown(table: Current, report: Report) -> Shown:
    """A report as pages, the API and the record have it: names instead of ids, and every word from the table."""
    label = table.table.label
    return {
        "available": True,
        "table": {
            "version": table.table.version,
            "sha256": table.table.release.sha256,
            "backup": table.from_backup,
            "as_of": table.at.isoformat(),
        },
        "medicines": [
            {"name": one.name, "ids": list(one.ids), "kind": one.kind, "holds": [label(unit) for unit in one.ids]}
            for one in report.medicines
        ],
        "found": [_found(table, one, report) for one in report.found],
        "none_found": [[label(a), label(b)] for a, b in report.none_found],
        "not_covered": [label(unit) for unit in report.not_covered],
        "not_recognised": [{"text": one.text, "suggestions": list(one.suggestions)} for one in report.not_recognised],
        "duplicates": [{"name": label(one.id), "names": list(one.names)} for one in report.duplicates],
    }


def _found(table: Current, found: Found, report: Report) -> Shown:
    """`a_in` and `b_in` are the medicines as they were named, where that is not the ingredient's own name."""
    label = table.table.label

    def named(unit: str) -> list[str]:
        own = label(unit).casefold()
        return [
            one.name for one in report.medicines if unit in one.ids and not one.is_class and one.name.casefold() != own
        ]

    return {
        "a": found.a,
        "b": found.b,
        "a_name": label(found.a),
        "b_name": label(found.b),
        "a_in": named(found.a),
        "b_in": named(found.b),
        "among": found.among,
        "of": found.of,
        **interaction(table, found.interaction),
    }


def interaction(table: Current, one: Interaction) -> Shown:
    """A pair of ingredients as it is shown. `local` is how the hospital changed it."""
    label = table.table.label
    local = one.local
    return {
        "pair": [one.a, one.b],
        "names": [label(one.a), label(one.b)],
        "severity": one.severity.value,
        "alert": one.alert.value,
        "mechanism": one.mechanism,
        "effect": one.effect,
        "management": one.management,
        "sources": [{"name": source.name, "ref": source.ref} for source in one.sources],
        "note": one.note,
        "as_class": [table.classes[kind].label if kind else "" for kind in (one.a_class, one.b_class)],
        "extension": [label(drug) for drug in one.extension],
        "local": None
        if local is None
        else {
            "shipped": local.shipped.value if local.shipped else "",
            "reason": local.reason,
            "expires": local.expires.isoformat(),
        },
    }


@transaction.atomic
def keep(
    result: Shown, *, where: InteractionCheck.Where, by: User | None, turn: Turn | None = None
) -> InteractionCheck:
    """Store a check as it was shown, with its alerts, and count it. What was typed and not recognized is masked."""
    words = [one["text"] for one in result.get("not_recognised", ())]
    masked = [masking.note(text, where="interactions") for text in words] if where != Where.QUESTION else words
    kept = {**result}
    if words:
        kept["not_recognised"] = [
            # What sounds like a name tells of the name.
            {"text": text, "suggestions": one["suggestions"] if text == one["text"] else []}
            for one, text in zip(result["not_recognised"], masked, strict=True)
        ]
    table = result.get("table", {})
    made = InteractionCheck.objects.create(
        by=by,
        turn=turn,
        where=where,
        table=table.get("version", ""),
        from_backup=table.get("backup", False),
        result=kept,
        **by_severity(result),
    )
    InteractionAlert.objects.bulk_create(
        InteractionAlert(check_made=made, a=one["a"], b=one["b"], severity=one["severity"])
        for one in result.get("found", ())
        if interrupts(one)
    )
    transaction.on_commit(lambda: _count(result))
    return made


def for_turn(turn: Turn) -> InteractionCheck:
    """Check a question and the medicines beside it, and keep it. A turn that is answered again keeps what was shown
    before, unless that check could not be made."""
    before = InteractionCheck.objects.filter(turn=turn).first()
    if before and before.result.get("available"):
        return before
    found = of_text(turn.question, turn.medicines)  # reads the table: a database that fails then spoils no transaction
    with transaction.atomic():
        if before:
            before.delete()
        return keep(found, where=Where.QUESTION, by=turn.conversation.author, turn=turn)


def interrupts(one: Shown) -> bool:
    """Whether an interaction of a result has an alert that its reader answers."""
    return bool(one["alert"] == Alert.INTERRUPTIVE)


def by_severity(result: Shown) -> dict[str, int]:
    """How many interactions of each severity a result holds."""
    found = [one["severity"] for one in result.get("found", ())]
    return {severity: found.count(severity) for severity in InteractionCheck.COUNTS}


def _count(result: Shown) -> None:
    if "found" in result:
        metrics.count(metrics.INTERACTION_CHECKS)
        metrics.count_many(metrics.INTERACTIONS, {k: n for k, n in by_severity(result).items() if n})


def respond(*, alert_id: UUID, by: User, response: str, reason: str = "", note: str = "") -> InteractionAlert:
    """What the reader of an alert does with it: read, or overridden for a reason. The note is masked for good.

    An alert that was read can be overridden afterwards, and nothing else is changed. Raises NoReason, AlreadyAnswered
    and phi.PhiUnavailable; InteractionAlert.DoesNotExist for an alert of somebody else.
    """
    if response == Response.OVERRIDDEN and reason not in InteractionAlert.Reason.values:
        raise NoReason
    kept = note if response == Response.OVERRIDDEN else ""
    words = free_text.masked(kept, where="interaction-override", longest=LONGEST_NOTE)
    with transaction.atomic():
        alert = InteractionAlert.objects.select_for_update().get(pk=alert_id, check_made__by=by)
        if alert.response == Response.OVERRIDDEN or alert.response == response:
            raise AlreadyAnswered
        alert.response, alert.responded_at = response, clock.now()
        alert.reason = reason if response == Response.OVERRIDDEN else ""
        alert.note = words
        alert.save(update_fields=["response", "responded_at", "reason", "note"])
    return alert
