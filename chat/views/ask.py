"""Asking, reading and rating answers."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from chat import access, medicines, presentation, services, streams, uploads
from chat.forms import MASK_LABELS, FeedbackForm, QuestionForm, plain
from chat.interactions import current, lists
from chat.models import Conversation, Turn
from clinchat.lib import sse
from clinchat.lib.files import takes_files
from clinchat.lib.http import AuthedRequest
from compliance import audit, masking, phi, vault
from compliance.access import Action, allows, door, limits, public, refusals, works_read_only
from compliance.access.roles import CLINICAL
from compliance.access.sessions import leaves_session_alone
from compliance.access.watch import Watch

SAMPLES = (
    "Can I give trimethoprim-sulfamethoxazole to a patient on warfarin?",
    "When should metformin be held for iodinated contrast?",
    "What is the first treatment of hyperkalemia with ECG changes?",
    "How do I reverse heparin after a bleed?",
)
RECENT = 30
REFRESH_SECONDS = 2
"""How often a page without scripts looks again while its answer is being written."""
RETRY_SECONDS = 60
"""When to come back after something that passes by itself."""
NOT_MASKED = (
    "Send it again in a minute. If it is refused again, shorten it and remove names, dates and record numbers first."
)
RATING_NOT_MASKED = "We could not mask your words reliably, so nothing was sent. Send them again in a minute."
NOT_COUNTED = "ClinChat cannot take questions at this moment, so nothing was sent. Send it again in a minute."
STILL_ANSWERING = "ClinChat is still answering your last question. Wait for it, or stop it, then send this again."


@public("It only forwards: to questions, to what a clinician still needs for them, to the library, or to sign-in.")
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    if not request.user.is_authenticated:
        return redirect("signin")  # without ?next=, so that each person lands where they belong
    if allows(request.user, Action.ASK):
        return redirect("ask")
    return redirect("access" if request.user.is_verified() and request.user.roles & CLINICAL else "library")


@door(Action.ASK)
@require_http_methods(["GET", "POST"])
@takes_files(medicines.MOST_BYTES)
def ask(request: AuthedRequest) -> HttpResponse:
    form = QuestionForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and (turn := _asked(request, form, None)):
        return redirect(turn.conversation)
    recent = Conversation.objects.visible_to(request.user).order_by("-updated_at")[:RECENT]
    context = {"form": form, "samples": SAMPLES, "recent": recent, "history": _history(request)}
    return _page(request, "ask/new.html", context)


@door(Action.ASK)
@require_http_methods(["GET", "POST"])
@takes_files(medicines.MOST_BYTES)
def conversation(request: AuthedRequest, conversation_id: UUID) -> HttpResponse:
    asking = request.method == "POST"
    found = (access.get_own_conversation if asking else access.get_conversation)(request.user, conversation_id)
    form = QuestionForm(request.POST or None, request.FILES or None, initial={"medicines": services.medicines(found)})
    if asking and (turn := _asked(request, form, found)):
        return redirect(f"{found.get_absolute_url()}#turn-{turn.number}")
    return thread(request, found, form)


def thread(request: AuthedRequest, found: Conversation, form: QuestionForm, **more: object) -> HttpResponse:
    """The page of a conversation, with its values for whoever may see them."""
    entities = vault.open_for(request.user, scope=found.pk, author_id=found.author_id)
    kept = found.turns.select_related("feedback", "interaction_check").prefetch_related("interaction_check__alerts")
    turns = [presentation.view(t, entities=entities) for t in kept]
    context = {
        "conversation": found,
        "own": found.author_id == request.user.pk,
        "turns": turns,
        "form": form,
        "history": _history(request),
        "refresh": REFRESH_SECONDS if any(t.unfinished for t in turns) else None,
        "mask_labels": MASK_LABELS,
        **more,
    }
    return _page(request, "ask/conversation.html", context)


@door(Action.ASK)
@leaves_session_alone
@require_GET
def interactions(request: AuthedRequest, turn_id: UUID) -> HttpResponse:
    """What the check of a question's medicines found, alone: the page of the conversation puts it beside the answer."""
    turn = access.get_turn(request.user, turn_id)
    found = presentation.checked(turn)
    return render(request, "ask/interactions.html", {"found": found, "n": turn.number, "own": True})


@works_read_only("It masks a draft and keeps none of it")
@door(Action.ASK)
@limits.limited(limits.Limit.DRAFT)
@require_POST
def identifiers(request: AuthedRequest) -> JsonResponse:
    """The kinds of identifiers in a question that is not sent yet, for a warning beside the box.

    Nothing of the text is kept, and there is nothing to put on record: no data of anybody is opened for it. What the
    conversation already masked is not asked for either, so it is a hint, and the answer holds no word of the text.
    """
    form = QuestionForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"error": "This could not be sent."}, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        spans = masking.preview(form.cleaned_data["question"])
    except phi.PhiUnavailable:  # on record when the question is sent, not for every pause in its writing
        return JsonResponse({"error": "Not looked at."}, status=HTTPStatus.SERVICE_UNAVAILABLE)
    labels = dict.fromkeys(phi.label_words[span.label] for span in spans)
    return JsonResponse({"count": len(spans), "labels": list(labels)})


@door(Action.ASK)
@leaves_session_alone
@require_GET
def events(request: AuthedRequest, turn_id: UUID) -> HttpResponseBase:
    turn = access.get_turn(request.user, turn_id)
    frames = streams.frames(turn.pk, last_id=request.headers.get("Last-Event-ID", ""))
    return sse.stream(frames, alive=Watch(request, Action.ASK))


@door(Action.ASK)
@require_POST
def stop(request: AuthedRequest, turn_id: UUID) -> HttpResponse:
    turn = access.get_turn(request.user, turn_id)
    services.stop(turn=turn)
    return redirect(turn.conversation)


@door(Action.ASK)
@limits.limited(limits.Limit.ASK)
@require_POST
def retry(request: AuthedRequest, turn_id: UUID) -> HttpResponse:
    turn = access.get_turn(request.user, turn_id)
    try:
        services.retry(turn=turn)
    except services.NotRetriable:
        messages.info(request, "This question already has an answer or is being answered.")
    except services.StillAnswering:
        messages.info(request, STILL_ANSWERING)
    return redirect(turn.conversation)


@door(Action.ASK)
@require_POST
def feedback(request: AuthedRequest, turn_id: UUID) -> HttpResponse:
    turn = access.get_turn(request.user, turn_id)
    form = FeedbackForm(request.POST)
    if turn.status in Turn.UNFINISHED or not form.is_valid():
        return JsonResponse({"error": "Choose Helpful or Not helpful."}, status=422)
    data = form.cleaned_data
    try:
        services.rate(
            turn=turn,
            helpful=data["helpful"] == "yes",
            reasons=data["reasons"],
            comment=data["comment"],
        )
    except phi.PhiUnavailable:
        return JsonResponse({"error": RATING_NOT_MASKED}, status=503)
    messages.success(request, "Thank you. Your rating is saved.")
    return redirect(turn.conversation)


def _asked(request: AuthedRequest, form: QuestionForm, found: Conversation | None) -> Turn | None:
    """The turn made of a valid form; None with the reason on the form."""
    if not form.is_valid():
        _note_unmasked(form)
        return None
    data = form.cleaned_data
    try:
        limits.hit_by(request, limits.Limit.ASK)
        return services.ask(
            author=request.user,
            text=data["question"],
            submission=data["submission"],
            conversation=found,
            medicines=_medicines(request, data),
        )
    except _Refused as refused:
        form.add_error(refused.field, refused.words)
    except phi.PhiUnavailable:
        form.add_error("question", ValidationError(NOT_MASKED, code="masking"))
    except services.StillAnswering:
        form.add_error("question", STILL_ANSWERING)
    except limits.TooMany as refused:
        wait = {"seconds": refused.retry_after}
        form.add_error("question", ValidationError(refused.words, code="limit", params=wait))
    except limits.Unavailable:  # the queue is gone as well
        form.add_error("question", ValidationError(NOT_COUNTED, code="unavailable"))
    return None


class _Refused(Exception):
    """The medicines beside a question cannot be taken. `words` say why, of which field of the form."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(field)
        self.field, self.words = field, words


def _medicines(request: AuthedRequest, data: dict[str, Any]) -> list[str]:
    """Those of the list and of the document. Raises _Refused and phi.PhiUnavailable."""
    document = data["document"]
    try:
        typed = medicines.of_lines(data["medicines"])
        if lists.read(data["medicines"]).allergies:
            messages.info(request, "What you wrote about allergies was left out: allergies are not checked.")
        attached = (
            medicines.of_document(name=document.name, content=document.read(), by=request.user) if document else ()
        )
        return medicines.together(typed, attached)
    except medicines.Unreadable as problem:
        raise _Refused("document", problem.words) from None
    except medicines.TooMany as many:
        raise _Refused("medicines", f"{many.count} medicines are too many. Name at most {medicines.MOST}.") from None
    except tuple(_NOT_TAKEN) as error:
        raise _Refused("document", _NOT_TAKEN[type(error)]) from None


_NOT_TAKEN: dict[type[Exception], str] = {
    medicines.NoMedicines: "No medicine was recognized in the document. Write the medicines down instead.",
    current.Unavailable: "Interactions cannot be checked now. Send the question without the document.",
    uploads.Malware: "The malware scanner refused the document, so nothing of it was kept.",
    uploads.Unscanned: "The malware scanner does not answer, so the document was not taken. Send it again in a minute.",
}


def _note_unmasked(form: QuestionForm) -> None:
    """A question nobody types, too long or not text, is on record as refused."""
    for error in form.errors.as_data().get("question", []):
        if error.code in form.not_masked:
            refusals.note(audit.Code.INPUT_VALIDATION_FAIL, why=str(error.code))


def _page(request: AuthedRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """The page with its form; 429 (RFC 6585, section 4) or 503 when the form says that nothing more is taken."""
    response = render(request, template, context)
    for error in context["form"].errors.as_data().get("question", []):
        if error.code == "limit":
            response.status_code = HTTPStatus.TOO_MANY_REQUESTS
            response["Retry-After"] = str(error.params["seconds"])
        elif error.code in {"masking", "unavailable"}:
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
            response["Retry-After"] = str(RETRY_SECONDS)
    return response


def _history(request: AuthedRequest) -> list[tuple[str, list[Conversation]]]:
    """The person's conversations under the headings of the rail, optionally those whose title holds ?q=."""
    query = plain(request.GET.get("q", ""))[:100]
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    groups: dict[str, list[Conversation]] = {}
    found = Conversation.objects.visible_to(request.user).filter(title__icontains=query).order_by("-updated_at")
    for item in found[:RECENT]:
        day = item.updated_at
        heading = "Today" if day >= today else "This week" if day >= today - timedelta(days=6) else "Earlier"
        groups.setdefault(heading, []).append(item)
    return list(groups.items())
