"""The audit trail in the admin: read-only, never counted as a whole, and every look at it is on record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import cached_property

from compliance import audit
from compliance.access import Action, allows
from compliance.audit import search
from compliance.models import AuditEvent, User

if TYPE_CHECKING:
    AuditEventAdminBase = admin.ModelAdmin[AuditEvent]
    PaginatorBase = Paginator[AuditEvent]
else:
    AuditEventAdminBase = admin.ModelAdmin
    PaginatorBase = Paginator

MOST = 10_000
"""Events the admin pages through. The audit pages search all of them."""


class BoundedPaginator(PaginatorBase):
    """Counts no further than MOST."""

    @cached_property
    def count(self) -> int:
        events: Any = self.object_list
        return int(events.order_by()[:MOST].count())


class AuditEventAdmin(AuditEventAdminBase):
    list_display = (
        "timestamp",
        "code",
        "action",
        "outcome",
        "actor_name",
        "object_type",
        "object_id",
        "reference",
    )
    list_filter = ("outcome", "code")
    search_fields = ("id",)  # makes the search field; get_search_results decides what it finds
    search_help_text = "An id of an event, object, person or request in full, a work e-mail, or E-1A2B3C4D."
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    actions = None
    exclude = ("canonical", "digest")

    @admin.display(description="Reference")
    def reference(self, event: AuditEvent) -> str:
        return f"E-{event.correlation_id.hex[:8].upper()}" if event.correlation_id else ""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEvent], search_term: str
    ) -> tuple[QuerySet[AuditEvent], bool]:
        """Only what an index answers: whole ids, and the beginning of a request's id."""
        term = search_term.strip()
        if not term:
            return queryset, False
        return queryset.filter(_named(term)), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return _on_record(super().changelist_view(request, extra_context), "")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        return _on_record(super().change_view(request, object_id, form_url, extra_context), object_id)

    def has_view_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return allows(request.user, Action.READ_AUDIT)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return False


def _named(term: str) -> Q:
    if search.is_id(term):
        return Q(pk=term) | Q(object_id=str(UUID(term))) | Q(actor_id=term) | Q(correlation_id=term)
    if span := search.reference_span(term):
        return Q(correlation_id__range=span)
    person = User.objects.filter(email=term.lower()).first() if "\x00" not in term else None
    return Q(actor_id=person.pk) if person else Q(pk__in=[])


def _on_record(response: HttpResponseBase, object_id: str) -> HttpResponseBase:
    """Puts on record what is about to be shown. Without the record it is not shown."""
    if response.status_code == 200:
        audit.record(
            code=audit.Code.SENSITIVE_READ,
            action=audit.Crude.READ,
            object_type="compliance.AuditEvent",
            object_id=object_id,
            detail={"page": "admin"},
        )
    return response
