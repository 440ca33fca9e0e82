"""What a learner reads: the modules, their lessons, and everything they have done so far."""

from __future__ import annotations

from csp.constants import NONE
from csp.decorators import csp
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import localtime
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from clinchat.lib import clock
from clinchat.lib.http import AuthedRequest
from compliance import policies
from compliance.access import Action, door
from training import attempts, enrolments, learning, lesson_checks, refusals, transcripts
from training.bank import markdown
from training.forms import ReadForm
from training.learning import Overview, Progress

PAGE = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
@door(Action.TRAIN)
def index(request: AuthedRequest) -> HttpResponse:
    attempts.finish_overdue(person=request.user)
    context = {
        "overview": learning.overview(request.user),
        "policies": [state for state in policies.states(request.user) if not state.covered],
        "certificates": request.user.certificates.live(clock.now()).order_by("title"),
        "now": clock.now(),
    }
    return render(request, "training/index.html", context)


@require_safe
@door(Action.TRAIN)
def module(request: AuthedRequest, slug: str) -> HttpResponse:
    attempts.finish_overdue(person=request.user)
    overview, progress = _found(request, slug)
    context = {
        "overview": overview,
        "progress": progress,
        "module": progress.module,
        "tried": [one for one in progress.attempts if one.started_at],
        "opens_at": attempts.waits_until(progress.attempts, progress.module.rules),
        "now": clock.now(),
    }
    return render(request, "training/module.html", context)


@require_safe
@door(Action.TRAIN)
def card(request: AuthedRequest, slug: str) -> HttpResponse:
    _, progress = _found(request, slug)
    return render(request, "training/card.html", {"module": progress.module, "progress": progress})


@csp({"default-src": [NONE], "frame-ancestors": [NONE]})  # type: ignore[arg-type]  # its stubs know no arguments
@require_safe
@door(Action.TRAIN)
def picture(request: AuthedRequest, slug: str, name: str) -> HttpResponse:
    try:
        pictures = enrolments.in_force(slug).module.pictures
    except enrolments.UnknownModule:
        raise Http404 from None
    if name not in pictures:
        raise Http404
    return HttpResponse(pictures[name], content_type="image/svg+xml")


@PAGE
@door(Action.TRAIN)
def lesson(request: AuthedRequest, slug: str, lesson: str) -> HttpResponse:
    """With POST the same page says whether the check was answered right; that is kept nowhere."""
    overview, progress = _found(request, slug)
    place = next((one for one in progress.places if one.lesson.key == lesson), None)
    if place is None:
        raise Http404
    check = lesson_checks.of(slug, place.lesson, request.POST.get("answer", ""))
    context = {
        "overview": overview,
        "progress": progress,
        "module": progress.module,
        "place": place,
        "blocks": markdown.read(place.lesson.text),
        "check": check,
        "unanswered": request.method == "POST" and check.chosen is None,
        "previous": progress.places[place.number - 2] if place.number > 1 else None,
        "next": progress.places[place.number] if place.number < len(progress.places) else None,
        "references": [one for one in progress.module.references if one.key in place.lesson.clauses],
    }
    return render(request, "training/lesson.html", context)


@require_POST
@door(Action.TRAIN)
def read(request: AuthedRequest, slug: str, lesson: str) -> HttpResponse:
    form = ReadForm(request.POST)
    if not form.is_valid():
        messages.error(request, "The lesson was not marked. Press the button again.")
        return redirect("lesson", slug, lesson)
    try:
        learning.mark_read(person=request.user, slug=slug, lesson=lesson, version_id=form.cleaned_data["version"])
    except (enrolments.UnknownModule, learning.UnknownLesson):
        raise Http404 from None
    except learning.Changed:
        messages.error(request, "This lesson has changed since you opened it. Read it again, then mark it.")
        return redirect("lesson", slug, lesson)
    except enrolments.NothingToDo as passed:
        messages.info(request, refusals.words(passed))
        return redirect("training-module", slug)
    return redirect(learning.overview(request.user).of(slug).next_url)


@require_safe
@door(Action.TRAIN)
def transcript(request: AuthedRequest) -> HttpResponse:
    attempts.finish_overdue(person=request.user)
    context = {"transcript": transcripts.of(request.user), "person": request.user, "today": localtime(clock.now())}
    return render(request, "training/transcript.html", context)


def _found(request: AuthedRequest, slug: str) -> tuple[Overview, Progress]:
    overview = learning.overview(request.user)
    try:
        return overview, overview.of(slug)
    except enrolments.UnknownModule:
        raise Http404 from None
