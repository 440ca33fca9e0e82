"""Feedback: given on a page of its own, followed by its author, sorted and answered in the queue."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from clinchat.lib.http import AuthedRequest
from compliance import audit, remarks
from compliance.access import Action, door
from compliance.models import Remark
from compliance.remark_forms import FindRemarksForm, HandleForm, RemarkForm

ON_A_PAGE = 25
REFUSALS: dict[type[Exception], str] = {
    remarks.Stale: "Somebody else changed it while this page was open. Look at it again; nothing of yours was saved.",
    remarks.ReplyMissing: "Write a reply: whoever gave the feedback reads it.",
}


@require_http_methods(["GET", "HEAD", "POST"])
@door(Action.GIVE_FEEDBACK)
@sensitive_post_parameters("text")
def new(request: AuthedRequest) -> HttpResponse:
    form = RemarkForm(request.POST or None)
    if form.is_valid():
        remarks.give(by=request.user, **form.cleaned_data)
        messages.success(request, "Thank you. Your feedback was sent; its status and the reply are shown here.")
        return redirect("remarks-own")
    about, subject = remarks.subject_of(request.GET.get("about", ""), request.GET.get("subject", ""))
    if form.is_bound:
        about, subject = form.cleaned_data["about"], form.cleaned_data["subject"]
    context = {"form": form, "about": about, "subject": subject, "about_words": about.label.lower()}
    return render(request, "feedback/new.html", context)


@require_safe
@door(Action.GIVE_FEEDBACK)
def own(request: AuthedRequest) -> HttpResponse:
    page = Paginator(Remark.objects.filter(by=request.user), ON_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "feedback/own.html", {"page": page})


@require_safe
@door(Action.TRIAGE_FEEDBACK)
def queue(request: AuthedRequest) -> HttpResponse:
    form = FindRemarksForm(request.GET if request.GET.keys() & FindRemarksForm.base_fields else {"status": "open"})
    found = remarks.triaged_by(request.user).filter(**form.conditions()).order_by("-at", "pk")
    page = Paginator(found, ON_A_PAGE).get_page(request.GET.get("page"))
    audit.record_read(object_type="compliance.Remark", remarks=page.paginator.count)
    return render(request, "feedback/queue.html", {"page": page, "form": form})


@require_http_methods(["GET", "HEAD", "POST"])
@door(Action.TRIAGE_FEEDBACK)
@sensitive_post_parameters("reply")
def one(request: AuthedRequest, remark_id: UUID) -> HttpResponse:
    remark = remarks.to_sort(request.user, remark_id)
    form = HandleForm(request.POST or None)
    if form.is_valid():
        try:
            remarks.handle(remark_id=remark.pk, by=request.user, **form.cleaned_data)
        except tuple(REFUSALS) as refused:
            form.add_error(None if isinstance(refused, remarks.Stale) else "reply", REFUSALS[type(refused)])
        else:
            messages.success(request, "Saved. Whoever gave the feedback was told.")
            return redirect("remark", remark.pk)
    audit.record_read(object_type="compliance.Remark", object_id=remark.pk)
    return render(request, "feedback/one.html", {"remark": remark, "form": form, "address": remarks.address(remark)})
