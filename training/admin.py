"""Onboarding in the admin: requests by stage, what each would grant, and the decisions; the records to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html_join

from clinchat.lib import ui_tags
from compliance import audit
from compliance.access import sessions
from compliance.models import PolicyVersion, User
from training.admin_forms import ReasonForm, RowForm
from training.approvals import deciding, granting, refusals, transitions
from training.models import AccessRequest, Attempt, Certificate, Enrolment, ModuleVersion, StageDecision
from training.models.approvals import Stage, Step

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin

APPROVE: Final = "approve"
_TITLES: Final = {
    APPROVE: "Approve requests for access",
    "send_back": "Return requests for access",
    "suspend": "Suspend access",
}
_STEPS: Final = {"send_back": Step.RETURN, "suspend": Step.SUSPEND}


class ReadOnlyAdmin(ModelAdmin):
    """Records to look at. What changes them are services, with their rules."""

    view_on_site = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(AccessRequest)
class AccessRequestAdmin(ReadOnlyAdmin):
    list_display = ("person", "department", "stage", "entered_at", "round", "recertify_by")
    list_filter = ("stage", "person__department")
    list_select_related = ("person",)
    search_fields = ("person__name", "person__email")
    fields = (
        *("person", "department", "stage", "entered_at", "round", "license_kind", "license_state", "license_until"),
        *("recertify_by", "will_be_granted", "history"),
    )
    readonly_fields = ("department", "will_be_granted", "history")
    actions = (APPROVE, "send_back", "suspend")

    @admin.display(ordering="person__department")
    def department(self, obj: AccessRequest) -> str:
        return obj.person.department

    @admin.display(description="What will be granted")
    def will_be_granted(self, obj: AccessRequest) -> str:
        offered = granting.offered(obj)
        if offered is None:
            return "Nothing can be granted in this stage."
        end = granting.in_the_end(obj)
        return f"{granting.granted_words(obj, offered)}{f' With all four approvals: {end}' if end else ''}"

    @admin.display(description="Decisions")
    def history(self, obj: AccessRequest) -> str:
        rows = obj.decisions.select_related("by", "delegation__owner")
        lines = [(one.round, one.get_step_display(), one.by_whom, ui_tags.on(one.at), one.reason) for one in rows]
        return format_html_join("", "<p>Round {}: {}, by {} {}. {}</p>", lines) or "None yet."

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        audit.record_read(object_type="training.AccessRequest")
        return super().changelist_view(request, extra_context)

    @admin.action(description="Approve the chosen requests")
    def approve(self, request: HttpRequest, queryset: QuerySet[AccessRequest]) -> HttpResponse | None:
        return _confirmed(self, request, queryset, APPROVE)

    @admin.action(description="Return the chosen requests")
    def send_back(self, request: HttpRequest, queryset: QuerySet[AccessRequest]) -> HttpResponse | None:
        return _confirmed(self, request, queryset, "send_back")

    @admin.action(description="Suspend access")
    def suspend(self, request: HttpRequest, queryset: QuerySet[AccessRequest]) -> HttpResponse | None:
        return _confirmed(self, request, queryset, "suspend")


def _confirmed(
    page: AccessRequestAdmin, request: HttpRequest, queryset: QuerySet[AccessRequest], action: str
) -> HttpResponse | None:
    """The page on which each row is ticked by itself, and then the decisions. None: back to the list, with messages."""
    if not sessions.reauthenticated(request):
        next_page = urlencode({"next": reverse("admin:training_accessrequest_changelist")})
        return redirect(f"{reverse('signin-again')}?{next_page}")
    chosen = list(queryset.select_related("person").order_by("entered_at")[: deciding.MOST_AT_ONCE + 1])
    if len(chosen) > deciding.MOST_AT_ONCE:
        messages.error(request, f"Choose at most {deciding.MOST_AT_ONCE} requests. Nothing was decided.")
        return None
    sent = request.POST if "confirmed" in request.POST else None
    rows = [RowForm(sent, about=one, licensed=action == APPROVE and one.stage == Stage.TRAINED) for one in chosen]
    reason = ReasonForm(sent) if action in _STEPS else None
    whole = all(row.is_valid() for row in rows) and (reason is None or reason.is_valid())
    if sent is not None and whole:
        _decide(request, [row for row in rows if row.cleaned_data["sure"]], reason, action)
        return None
    context = page.admin_site.each_context(request) | {
        "title": _TITLES[action],
        "rows": [(row, _grant(row.about, action)) for row in rows],
        "reason": reason,
        "action": action,
        "opts": page.opts,
    }
    return TemplateResponse(request, "admin/training/accessrequest/decide.html", context)


def _grant(about: AccessRequest, action: str) -> str:
    step = transitions.next_approval(Stage(about.stage)) if action == APPROVE else None
    return granting.granted_words(about, step) if step else ""


def _decide(request: HttpRequest, rows: list[RowForm], reason: ReasonForm | None, action: str) -> None:
    if not rows:
        messages.error(request, "Tick each request you mean. Nothing was decided.")
        return
    by, choices = cast("User", request.user), [row.choice() for row in rows]
    proof = deciding.Proof(sessions.proved_at(request), min(row.cleaned_data["opened"][0] for row in rows))
    if reason is None:
        results = deciding.approve_many(choices=choices, by=by, proof=proof)
    else:
        words = reason.cleaned_data["reason"]
        results = deciding.take_many(choices=choices, step=_STEPS[action], by=by, proof=proof, reason=words)
    for result in results:
        name = result.request.person.name
        if result.refused is None:
            messages.success(request, f"{name}: done. They are told.")
        else:
            messages.error(request, f"{name}: {refusals.words(result.refused)}")


@admin.register(StageDecision)
class StageDecisionAdmin(ReadOnlyAdmin):
    list_display = ("at", "applicant", "step", "by", "round", "before", "after")
    list_filter = ("step",)
    list_select_related = ("applicant", "by")
    search_fields = ("applicant__name", "by__name")


@admin.register(Certificate)
class CertificateAdmin(ReadOnlyAdmin):
    list_display = ("person", "title", "version", "issued_at", "expires_at", "revoked_at")
    list_filter = ("slug",)
    list_select_related = ("person",)
    search_fields = ("person__name", "person__email")
    exclude = ("token",)


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    list_display = ("enrolment", "person", "number", "state", "started_at", "submitted_at", "passed")
    list_filter = ("state", "passed", "enrolment__slug")
    list_select_related = ("enrolment__person",)
    search_fields = ("enrolment__person__name",)
    exclude = ("seed",)

    @admin.display(ordering="enrolment__person__name")
    def person(self, obj: Attempt) -> User:
        return obj.enrolment.person


@admin.register(Enrolment)
class EnrolmentAdmin(ReadOnlyAdmin):
    list_display = ("person", "slug", "kind", "opened_at", "due_at", "completed_at")
    list_filter = ("slug", "kind")
    list_select_related = ("person",)
    search_fields = ("person__name", "person__email")


@admin.register(ModuleVersion)
class ModuleVersionAdmin(ReadOnlyAdmin):
    list_display = ("title", "version", "in_force", "material", "loaded_at")
    list_filter = ("in_force",)
    exclude = ("content",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("content")


@admin.register(PolicyVersion)
class PolicyVersionAdmin(ReadOnlyAdmin):
    list_display = ("title", "version", "in_force", "material", "published_at")
    list_filter = ("in_force",)
