"""The pages of an assessment: what to expect, one question a page, the review, and what came of it.

Nothing in a page tells what is right before the attempt is graded, nor after while another attempt is left.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import dateformat
from django.utils.timezone import localtime
from django.views.decorators.http import require_http_methods, require_safe

from clinchat.lib import ui_tags
from clinchat.lib.http import AuthedRequest
from compliance.access import Action, door
from training import access, attempts, enrolments, learning, outcomes, refusals
from training.attempts import Question
from training.bank import answers
from training.forms import SaveForm, SubmitForm
from training.models import Answer, Attempt

PAGE = require_http_methods(["GET", "HEAD", "POST"])
OVER = refusals.WORDS[attempts.Over]
NEWER = "Another window has saved another answer to this question. It is the one shown here now."


@PAGE
@door(Action.TRAIN)
def assessment(request: AuthedRequest, slug: str) -> HttpResponse:
    """What to expect; with POST it begins, or goes on where it was left."""
    overview = learning.overview(request.user)
    try:
        progress = overview.of(slug)
    except enrolments.UnknownModule:
        raise Http404 from None
    if request.method == "POST":
        return _start(request, slug)
    context = {
        "overview": overview,
        "progress": progress,
        "module": progress.module,
        "questions": _length(progress),
        "left": progress.attempts_left,
        "opens_at": attempts.waits_until(progress.attempts, progress.module.rules),
        "granted": attempts.accommodation_of(request.user),
    }
    return render(request, "training/assessment.html", context)


def _start(request: AuthedRequest, slug: str) -> HttpResponse:
    try:
        return redirect("attempt", attempts.start(person=request.user, slug=slug).pk)
    except attempts.LessonsUnread as unread:
        titles = ui_tags.listed([lesson.title for lesson in unread.lessons])
        messages.error(request, f"Read these lessons first: {titles}.")
    except enrolments.NothingToDo as passed:
        messages.info(request, refusals.words(passed))
    except refusals.REFUSED as refused:
        messages.error(request, refusals.words(refused))
    return redirect("training-module", slug)


def _length(progress: learning.Progress) -> int:
    turn, module = progress.turn, progress.module
    blueprint = enrolments.blueprint_of(turn, module) if turn else module.blueprint
    return sum(sum(cells.values()) for cells in blueprint.values())


# ── One question ───────────────────────────────────────────────────────────────────────────────────────────────


@PAGE
@door(Action.TRAIN)
def question(request: AuthedRequest, attempt_id: UUID, number: str) -> HttpResponse:
    """Saved with POST; a script that saves each choice asks for JSON."""
    attempt = access.get_attempt(request.user, attempt_id)
    form = attempts.form_of(attempt)
    if number not in {str(one.answer.number) for one in form}:
        raise Http404
    if attempt.state != Attempt.State.OPEN:
        return _over(request, attempt)
    if request.method == "POST":
        return _save(request, attempt, form, int(number))
    return _question(request, attempt, form, int(number))


def _save(request: AuthedRequest, attempt: Attempt, form: list[Question], number: int) -> HttpResponse:
    sent = SaveForm(request.POST)
    if not sent.is_valid():
        return _refused(request, attempt, form, number, "The page was not whole. Choose your answer again.", 422)
    fields = {name: request.POST.getlist(name) for name in request.POST}
    try:
        saved = attempts.save(attempt=attempt, number=number, sent=fields, **sent.cleaned_data)
    except attempts.Over:
        return _over(request, attempt)
    except attempts.Newer as newer:
        form[number - 1] = Question(newer.answer, form[number - 1].item, form[number - 1].drawn)
        return _refused(request, attempt, form, number, NEWER, 409)
    except answers.NotAnAnswer as wrong:
        return _refused(request, attempt, form, number, wrong.words, 422)
    if _wants_json(request):
        return JsonResponse({"saved": _time(saved), "revision": saved.revision, "answered": saved.given is not None})
    if number == len(form):
        return redirect("attempt-review", attempt.pk)
    return redirect("question", attempt.pk, str(number + 1))


def _refused(
    request: AuthedRequest, attempt: Attempt, form: list[Question], number: int, words: str, status: int
) -> HttpResponse:
    if _wants_json(request):
        return JsonResponse({"error": words, "reload": status == 409}, status=status)
    return _question(request, attempt, form, number, error=words, status=status)


def _over(request: AuthedRequest, attempt: Attempt) -> HttpResponse:
    if _wants_json(request):
        return JsonResponse({"error": OVER, "over": True}, status=409)
    if request.method == "POST":
        messages.error(request, OVER)
    return redirect("attempt", attempt.pk)


def _question(
    request: AuthedRequest, attempt: Attempt, form: list[Question], number: int, error: str = "", status: int = 200
) -> HttpResponse:
    one = form[number - 1]
    context = _frame(attempt, form) | {
        "one": one,
        "number": number,
        "asked": answers.shown(one.item, one.drawn, one.answer.given),
        "error": error,
        "saved": _time(one.answer) if one.answer.given is not None else "",
    }
    return render(request, "training/question.html", context, status=status)


def _frame(attempt: Attempt, form: list[Question]) -> dict[str, Any]:
    assert attempt.version is not None  # noqa: S101  # a constraint of the table
    module = attempt.version.module
    needed = -(-module.rules.pass_percent * len(form) // 100)
    return {
        "attempt": attempt,
        "module": module,
        "form": form,
        "answered": sum(one.answer.given is not None for one in form),
        "needed": needed,
        "attempts": attempt.enrolment.attempts.count(),
    }


def _wants_json(request: AuthedRequest) -> bool:
    return request.headers.get("Accept") == "application/json"


def _time(answer: Answer) -> str:
    return dateformat.format(localtime(answer.saved_at), "H:i") if answer.saved_at else ""


# ── All of them ────────────────────────────────────────────────────────────────────────────────────────────────


@PAGE
@door(Action.TRAIN)
def review(request: AuthedRequest, attempt_id: UUID) -> HttpResponse:
    attempt = access.get_attempt(request.user, attempt_id)
    if attempt.state != Attempt.State.OPEN:
        return redirect("attempt", attempt.pk)
    form = SubmitForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        attempts.submit(attempt=attempt, attested=form.cleaned_data["attested"])
        return redirect("attempt", attempt.pk)
    questions = attempts.form_of(attempt)
    context = _frame(attempt, questions) | {
        "submit": form,
        "open": [one for one in questions if not one.whole],
    }
    return render(request, "training/review.html", context, status=422 if form.is_bound else 200)


@require_safe
@door(Action.TRAIN)
def result(request: AuthedRequest, attempt_id: UUID) -> HttpResponse:
    """What came of it; an attempt that is open goes on at the first question without an answer."""
    attempt = access.get_attempt(request.user, attempt_id)
    questions = attempts.form_of(attempt)
    if attempt.state == Attempt.State.OPEN:
        first = next((one for one in questions if one.answer.given is None), None)
        if first is None:
            return redirect("attempt-review", attempt.pk)
        return redirect("question", attempt.pk, str(first.answer.number))
    outcome = outcomes.of(attempt, questions)
    shown = ("percent", "explained", "again", "until", "waits", "certificate")
    context = _frame(attempt, questions) | {name: getattr(outcome, name) for name in shown}
    return render(request, "training/result.html", context)
