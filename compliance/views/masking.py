"""What the privacy team sees of masking: reports, figures of each class, and the hospital's own terms."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from clinchat.lib import clock
from clinchat.lib.http import AuthedRequest
from compliance import audit, mask_reports, phi, term_changes
from compliance.access import Action, allows, door, refusals, works_read_only
from compliance.access.sessions import fresh
from compliance.free_text import NOT_CHECKED
from compliance.masking_forms import SettleForm, TermForm
from compliance.models import MaskReport, MaskTerm
from compliance.views.signin import PAGE

OPEN_SHOWN = 100
ON_A_PAGE = 50
OVER_SHOWN = 30
REFUSALS: dict[type[Exception], str] = {
    term_changes.SecondPersonNeeded: "You proposed it, so somebody else has to decide.",
    term_changes.AlreadyDecided: "Somebody else was faster. Nothing was changed.",
    term_changes.NotYours: "Only who proposed a term can withdraw it.",
}


@require_safe
@door(Action.READ_MASKING)
def page(request: AuthedRequest) -> HttpResponse:
    audit.record(code=audit.Code.SENSITIVE_READ, action=audit.Crude.READ, object_type="compliance.MaskReport")
    terms = MaskTerm.objects.select_related("proposed_by", "decided_by", "end_proposed_by", "ended_by", "report")
    settled = MaskReport.objects.filter(status=MaskReport.Status.SETTLED).order_by("-settled_at")
    manages = allows(request.user, Action.MANAGE_MASKING)
    audit.record(
        code=audit.Code.SENSITIVE_READ,
        action=audit.Crude.READ,
        object_type="compliance.MaskTerm",
        detail={"step": "words"} if manages else {},
    )
    context = {
        "open": list(MaskReport.objects.open().select_related("reporter")[:OPEN_SHOWN]),
        "open_count": MaskReport.objects.open().count(),
        "settled": Paginator(settled.select_related("settled_by"), ON_A_PAGE).get_page(request.GET.get("page")),
        "figures": mask_reports.figures(),
        "as_of": clock.now(),
        "proposed": [_line(request, term) for term in terms.proposed()],
        "approved": terms.approved(),
        "over": terms.over()[:OVER_SHOWN],
        "manages": manages,
    }
    return render(request, "masking/page.html", context)


def _line(request: AuthedRequest, term: MaskTerm) -> dict[str, object]:
    """A proposed term, and whether there is anybody who may decide on it."""
    return {"term": term, "own": term.proposed_by_id == request.user.pk, "nobody": not term_changes.deciders(term)}


@require_safe
@door(Action.READ_MASKING)
def report(request: AuthedRequest, report_id: UUID) -> HttpResponse:
    return _report(request, _get(report_id))


@works_read_only("It reads, and puts on record that it did")
@require_POST
@door(Action.MANAGE_MASKING)
@fresh
def words(request: AuthedRequest, report_id: UUID) -> HttpResponse:
    """The page of a report with its words: they are in no address and no session, so it is an answer to a POST."""
    found = _get(report_id)
    opened = "" if found.erased_at else mask_reports.opened(found, by=request.user)
    return _report(request, found, opened=opened)


@require_POST
@door(Action.MANAGE_MASKING)
@sensitive_post_parameters("note")
def settle(request: AuthedRequest, report_id: UUID) -> HttpResponse:
    found, form = _get(report_id), SettleForm(request.POST)
    if not form.is_valid():
        return _report(request, found, settling=form)
    try:
        mask_reports.settle(report_id=found.pk, by=request.user, **form.cleaned_data)
        messages.success(request, f"Report {found.number} is settled. Its reporter was told the outcome.")
    except mask_reports.AlreadySettled:
        messages.info(request, "Somebody else has settled it already.")
    return redirect("mask-report", found.pk)


def _get(report_id: UUID) -> MaskReport:
    return get_object_or_404(MaskReport.objects.select_related("reporter", "settled_by"), pk=report_id)


def _report(
    request: AuthedRequest, found: MaskReport, *, opened: str = "", settling: SettleForm | None = None
) -> HttpResponse:
    audit.record(
        code=audit.Code.SENSITIVE_READ,
        action=audit.Crude.READ,
        object_type="compliance.MaskReport",
        object_id=str(found.pk),
    )
    proposing = None
    if opened:
        wrong = found.kind == MaskReport.Kind.WRONG  # the words of a missed one may be a patient's name
        kind, words = (MaskTerm.Kind.KEEP, opened) if wrong else (MaskTerm.Kind.MASK, "")
        proposing = TermForm(initial={"kind": kind, "words": words, "label": found.label, "report": found.pk})
    context = {
        "report": found,
        "words": opened,
        "form": settling or SettleForm(),
        "proposing": proposing,
        "terms": found.terms.select_related("proposed_by"),
        "manages": allows(request.user, Action.MANAGE_MASKING),
    }
    return render(request, "masking/report.html", context)


# ── Local terms ────────────────────────────────────────────────────────────────────────────────────────────────


@PAGE
@door(Action.MANAGE_MASKING)
@sensitive_post_parameters("words", "reason")
def new_term(request: AuthedRequest) -> HttpResponse:
    form = TermForm(request.POST or None)
    if form.is_valid() and _proposed(request, form):
        messages.success(request, "The term waits for a second person. Masking does not follow it yet.")
        return redirect("masking")
    return render(request, "masking/term.html", {"form": form})


def _proposed(request: AuthedRequest, form: TermForm) -> bool:
    try:
        term_changes.propose(**form.cleaned_data, by=request.user)
    except (term_changes.NoClass, term_changes.Refused) as refused:
        form.add_error("label" if isinstance(refused, term_changes.NoClass) else "words", refused.words)
    except term_changes.AlreadyThere:
        form.add_error("words", "These words wait for a second person already, or are in use.")
    except phi.PhiUnavailable:
        form.add_error("words", NOT_CHECKED)
    return not form.errors


@require_POST
@door(Action.MANAGE_MASKING)
@fresh
def approve(request: AuthedRequest, term_id: UUID) -> HttpResponse:
    return _do(request, term_id, term_changes.approve, "The term is in use, within two seconds.")


@require_POST
@door(Action.MANAGE_MASKING)
def refuse(request: AuthedRequest, term_id: UUID) -> HttpResponse:
    return _do(request, term_id, term_changes.refuse, "The term is refused. Nothing was changed.")


@require_POST
@door(Action.MANAGE_MASKING)
def withdraw(request: AuthedRequest, term_id: UUID) -> HttpResponse:
    return _do(request, term_id, term_changes.withdraw, "The term is withdrawn.")


@require_POST
@door(Action.MANAGE_MASKING)
@fresh
def end(request: AuthedRequest, term_id: UUID) -> HttpResponse:
    waits = "The end of the term waits for a second person. Masking follows it until then."
    return _do(request, term_id, term_changes.end, "Masking no longer follows the term, within two seconds.", waits)


@require_POST
@door(Action.MANAGE_MASKING)
def keep(request: AuthedRequest, term_id: UUID) -> HttpResponse:
    return _do(request, term_id, term_changes.keep, "The term stays in use.")


def _do(
    request: AuthedRequest, term_id: UUID, act: Callable[..., MaskTerm], done: str, waits: str = ""
) -> HttpResponse:
    """`waits` is said where the term is still in use after it."""
    term = get_object_or_404(MaskTerm, pk=term_id)
    try:
        term = act(term_id=term.pk, by=request.user)
    except tuple(REFUSALS) as refused:
        if isinstance(refused, term_changes.NotYours):
            refusals.against_a_rule(request.user, refused, term)
        messages.error(request, REFUSALS[type(refused)])
    else:
        messages.success(request, waits if waits and term.status == MaskTerm.Status.APPROVED else done)
    return redirect("masking")
