"""How well the collections answer, when ClinChat says that it has no answer, and the questions that tell."""

from __future__ import annotations

import json
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from kombu.exceptions import OperationalError

from chat import calibration, gate, index_proof, knowledge_base, quality
from chat.models import Collection, LabelledQuestion
from chat.question_forms import QuestionsForm
from clinchat.lib.files import takes_files
from clinchat.lib.http import AuthedRequest
from compliance import audit, phi
from compliance.access import Action, allows, door
from compliance.free_text import NOT_CHECKED

ON_A_PAGE = 50
PROBLEMS_SHOWN = 20


@require_safe
@door(Action.READ_QUALITY)
def page(request: AuthedRequest) -> HttpResponse:
    audit.record(code=audit.Code.SENSITIVE_READ, action=audit.Crude.READ, object_type="chat.Evaluation")
    last = knowledge_base.proof()
    context = {
        "shelves": [quality.shelf(one) for one in Collection.objects.visible_to(request.user).order_by("name")],
        "measures": gate.MEASURES,
        "abstention": quality.abstention(),
        "enough": calibration.ENOUGH,
        "proof": last,
        "found": [(index_proof.WHAT[name], number) for name, number in last.found.items()] if last else [],
        "edits": allows(request.user, Action.EDIT_LIBRARY),
    }
    return render(request, "library/quality.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@door(Action.EDIT_LIBRARY)
@takes_files(QuestionsForm.MOST_BYTES)
def questions(request: AuthedRequest, slug: str) -> HttpResponse:
    collection = _collection(request, slug)
    form = QuestionsForm(request.POST, request.FILES) if request.method == "POST" else QuestionsForm()
    problems: list[str] = []
    if form.is_valid():
        try:
            added = gate.add_questions(
                collection=collection, rows=form.lines(), by=request.user, replace=form.cleaned_data["replace"]
            )
        except gate.MalformedQuestions as malformed:
            problems = malformed.problems
        except phi.PhiUnavailable:
            form.add_error("file", NOT_CHECKED)
        else:
            messages.success(request, _said(added))
            return redirect("library-questions", slug)
    return _questions(request, collection, form, problems)


def _questions(
    request: AuthedRequest, collection: Collection, form: QuestionsForm, problems: list[str]
) -> HttpResponse:
    _record_read(collection)
    stored = collection.questions.order_by("external_id")
    context = {
        "collection": collection,
        "form": form,
        "problems": problems[:PROBLEMS_SHOWN],
        "more_problems": max(len(problems) - PROBLEMS_SHOWN, 0),
        "questions": Paginator(stored, ON_A_PAGE).get_page(request.GET.get("page")),
        "answerable": stored.exclude(relevant={}).count(),
        "behind": quality.behind(collection),
        "last": knowledge_base.newest_evaluations().get(collection.pk),
        "most": gate.MOST_QUESTIONS,
    }
    return render(request, "library/questions.html", context)


def _said(added: gate.Added) -> str:
    words = f"{added.new} new, {added.changed} changed, {added.same} as before"
    return f"{words}, {added.removed} removed." if added.removed else f"{words}."


@require_safe
@door(Action.EDIT_LIBRARY)
def questions_file(request: AuthedRequest, slug: str) -> HttpResponse:
    """The questions as they can be sent again, to be edited elsewhere."""
    collection = _collection(request, slug)
    _record_read(collection)
    lines = [
        json.dumps(
            {
                "id": q.external_id,
                "question": q.text,
                "relevant": q.relevant,
                "answerable": bool(q.relevant),
                "kind": q.kind,
            },
            ensure_ascii=False,
        )
        for q in collection.questions.order_by("external_id")
    ]
    answer = HttpResponse("".join(f"{line}\n" for line in lines), content_type="application/jsonl; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="questions-{collection.slug}.jsonl"'
    return answer


@require_POST
@door(Action.EDIT_LIBRARY)
def remove_question(request: AuthedRequest, slug: str, question_id: UUID) -> HttpResponse:
    collection = _collection(request, slug)
    found = get_object_or_404(LabelledQuestion, pk=question_id, collection=collection)
    gate.remove_questions(collection=collection, external_ids=[found.external_id])
    messages.success(request, "The question is deleted.")
    return redirect("library-questions", slug)


@require_POST
@door(Action.EDIT_LIBRARY)
def remove_questions(request: AuthedRequest, slug: str) -> HttpResponse:
    gone = gate.remove_questions(collection=_collection(request, slug))
    messages.success(request, f"{gone} questions are deleted. Releases of this collection are not measured now.")
    return redirect("library-questions", slug)


@require_POST
@door(Action.EDIT_LIBRARY)
def evaluate(request: AuthedRequest, slug: str) -> HttpResponse:
    from chat.tasks import evaluate_collection

    collection = _collection(request, slug)
    if not collection.questions.exists():
        messages.info(request, "There is no question to ask.")
        return redirect("library-questions", slug)
    try:
        evaluate_collection.delay(str(collection.pk))
        messages.success(request, "The questions are being asked. The figures are on the page Quality in some minutes.")
    except OperationalError:
        messages.error(request, "The queue cannot be reached right now. Try again in a minute.")
    return redirect("library-questions", slug)


def _collection(request: AuthedRequest, slug: str) -> Collection:
    return get_object_or_404(Collection.objects.visible_to(request.user), slug=slug)


def _record_read(collection: Collection) -> None:
    audit.record(
        code=audit.Code.SENSITIVE_READ,
        action=audit.Crude.READ,
        object_type="chat.Collection",
        object_id=str(collection.pk),
        detail={"step": "questions"},
    )
