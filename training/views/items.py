"""How the questions do: by module, one question, and what people take for right that is not."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from clinchat.lib.http import AuthedRequest
from compliance import audit, remarks
from compliance.access import Action, door
from compliance.models import Remark
from training import items
from training.bank import statistics
from training.models import ModuleVersion
from training.oversight_forms import ItemsForm

ON_A_PAGE = 50
REMARKS_SHOWN = 20


@require_safe
@door(Action.READ_ITEMS)
def listing(request: AuthedRequest) -> HttpResponse:
    form = ItemsForm(request.GET)
    modules = items.modules()
    report = _report(form, modules)
    lines = [line for line in report.lines if _fits(line, form.flag_asked())] if report else []
    audit.record_read(object_type="training.ModuleVersion", page="list")
    context = {
        "form": form,
        "modules": [(one.slug, one.title) for one in modules],
        "report": report,
        "suspects": sum(line.suspect for line in report.lines) if report else 0,
        "page": Paginator(lines, ON_A_PAGE).get_page(request.GET.get("page")),
        "enough": statistics.ENOUGH,
    }
    return render(request, "training/oversight/items.html", context)


@require_safe
@door(Action.READ_ITEMS)
def one(request: AuthedRequest, key: str) -> HttpResponse:
    found = items.find(key)
    if found is None:
        raise Http404
    version, item = found
    line, parts, trend = items.one(version, item)
    audit.record_read(object_type="training.ModuleVersion", page=key)
    context = {
        "version": version,
        "line": line,
        "parts": parts,
        "trend": trend,
        "objective": next((one.text for one in version.module.objectives if one.key == item.objective), item.objective),
        "remarks": remarks.triaged_by(request.user).filter(about=Remark.About.ITEM, subject=key)[:REMARKS_SHOWN],
        "enough": statistics.ENOUGH,
    }
    return render(request, "training/oversight/item.html", context)


@require_safe
@door(Action.READ_ITEMS)
def misconceptions(request: AuthedRequest) -> HttpResponse:
    form = ItemsForm(request.GET)
    modules = items.modules()
    version = next((one for one in modules if one.slug == form.module_asked()), None)
    audit.record_read(object_type="training.ModuleVersion", page="misconceptions")
    context = {
        "form": form,
        "modules": [(one.slug, one.title) for one in modules],
        "version": version,
        "objectives": items.misconceptions(version) if version else [],
        "enough": statistics.ENOUGH,
    }
    return render(request, "training/oversight/misconceptions.html", context)


def _report(form: ItemsForm, modules: list[ModuleVersion]) -> items.Report | None:
    version = next((one for one in modules if one.slug == form.module_asked()), None)
    return items.report(version) if version else None


def _fits(line: items.Line, flag: str) -> bool:
    match flag:
        case "suspect":
            return line.suspect
        case "flagged":
            return bool(line.flags)
        case "few":
            return line.figures is None
    return True
