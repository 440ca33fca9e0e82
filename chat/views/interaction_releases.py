"""Releases of the interaction table, what each changes, its limits, and how the alerts are taken."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from chat.interaction_forms import PERIODS, ApplyForm, LoadForm
from chat.interactions import changes, load, releases
from chat.interactions.release import Damaged
from chat.interactions.release_report import Report
from chat.models import DrugTable, InteractionCheck
from clinchat.lib.http import AuthedRequest
from compliance import audit
from compliance.access import Action, allows, door
from compliance.access.sessions import fresh

ON_A_PAGE = 50
PARTS = (
    ("removed", "Pairs no longer in the table", "People are no longer warned of them."),
    ("lowered", "Severity lowered", ""),
    ("added", "Pairs added", ""),
    ("raised", "Severity raised", ""),
    ("shown_otherwise", "Same severity, shown otherwise", "They interrupt now, or no longer."),
)
MEDICINES = (
    ("uncovered", "No longer covered", "The sources do not speak of them any more, so a check cannot tell."),
    ("removed", "No longer known", "A check does not recognize them any more."),
    ("covered", "Newly covered", ""),
    ("added", "New medicines", ""),
)


@require_safe
@door(Action.READ_INTERACTIONS)
def index(request: AuthedRequest) -> HttpResponse:
    _record_read("chat.DrugTable")
    table = changes.table_in_use()
    found = Paginator(releases.ordered(), ON_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "limits": releases.limits(table) if table else None,
        "releases": found,
        "used": releases.in_use(),
    }
    return render(request, "library/interactions/releases.html", context)


@require_safe
@door(Action.READ_INTERACTIONS)
def release(request: AuthedRequest, table_id: UUID) -> HttpResponse:
    found = get_object_or_404(releases.ordered(), pk=table_id)
    _record_read("chat.DrugTable", str(found.pk))
    used = releases.in_use()
    try:
        report = releases.report(found)
    except Damaged:
        report = None
    context = {
        "release": found,
        "used": used,
        "seen": used.sha256 if used else "",
        "report": report,
        "parts": _parts(report, PARTS),
        "medicines": _parts((report or {}).get("medicines"), MEDICINES),
        "edits": allows(request.user, Action.EDIT_INTERACTIONS),
    }
    return render(request, "library/interactions/release.html", context)


def _parts(report: Report | None, parts: tuple[tuple[str, str, str], ...]) -> list[dict[str, Any]]:
    """The parts of a report that hold something, each with its heading."""
    if not report:
        return []
    found = []
    for key, name, why in parts:
        part = report[key]
        if part["count"]:
            unnamed = part.get("interruptive", part["count"]) - len(part["examples"])
            found.append({**part, "key": key, "name": name, "why": why, "unnamed": unnamed})
    return found


@require_POST
@door(Action.EDIT_INTERACTIONS)
@fresh
def apply(request: AuthedRequest, table_id: UUID) -> HttpResponse:
    found = get_object_or_404(DrugTable.objects.defer("packed"), pk=table_id)
    form = ApplyForm(request.POST)
    try:
        releases.apply(table_id=found.pk, by=request.user, seen=form.seen())
    except releases.AlreadyInUse:
        messages.info(request, "It is in use already. Nothing was changed.")
    except releases.Overtaken:
        messages.error(request, "Another release came into use meanwhile. Read again what this one changes.")
    except (releases.Unsound, Damaged):
        messages.error(request, "Nothing was changed: the release is damaged and cannot be used.")
    else:
        messages.success(request, f"Version {found.version} is in use, within a second.")
    return redirect(found)


@require_safe
@door(Action.READ_INTERACTIONS)
def alert_load(request: AuthedRequest) -> HttpResponse:
    _record_read("chat.InteractionAlert")
    days, where = LoadForm(request.GET).chosen()
    figures = load.load(days=days, where=where)
    page = Paginator(load.overridden(since=figures.since, where=where), ON_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "load": figures,
        "days": days,
        "where": where,
        "periods": PERIODS,
        "places": InteractionCheck.Where.choices,
        "overridden": page,
        "lines": load.named(page.object_list),
    }
    return render(request, "library/interactions/load.html", context)


def _record_read(object_type: str, object_id: str = "") -> None:
    audit.record(code=audit.Code.SENSITIVE_READ, action=audit.Crude.READ, object_type=object_type, object_id=object_id)
