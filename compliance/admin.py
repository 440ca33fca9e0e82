"""People, clearances and the audit trail in the admin. Nobody and nothing on record is deleted here."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django_otp.plugins.otp_static.models import StaticDevice

from clinchat.lib import clock
from compliance.access import epoch, people, refusals
from compliance.admin_audit import AuditEventAdmin
from compliance.admin_controls import CheckScheduleAdmin, ControlOwnerAdmin  # noqa: F401  # they register themselves
from compliance.models import AuditEvent, Clearance, RoleAssignment, User

if TYPE_CHECKING:
    UserAdminBase = admin.ModelAdmin[User]
    ClearanceAdminBase = admin.ModelAdmin[Clearance]
    RoleInlineBase = admin.TabularInline[RoleAssignment, User]
else:
    UserAdminBase = ClearanceAdminBase = admin.ModelAdmin
    RoleInlineBase = admin.TabularInline

# Their own apps registered these. The devices would show digests of recovery codes, groups grant nothing here,
# and django-auditlog's page shows the fields its own model has.
admin.site.unregister([StaticDevice, Group, AuditEvent])


class RoleInline(RoleInlineBase):
    """To look at: a role is given and taken on the pages about people, where a second person approves it."""

    model = RoleAssignment
    fk_name = "user"
    extra = 0
    fields = readonly_fields = ("role", "granted_at", "granted_by", "suspended_at")

    def has_add_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(UserAdminBase):
    list_display = ("name", "email", "title", "department", "is_active", "last_login")
    list_filter = ("is_active", "department", "role_assignments__role")
    search_fields = ("name", "email")
    fields = ("email", "name", "title", "department", "is_active", "created_at", "last_login")
    readonly_fields = ("is_active", "created_at", "last_login")  # closing ends more than this column says
    inlines = (RoleInline,)
    actions = ("deactivate",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Accounts are made on the pages about people, where the person gets a link and chooses the password."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    @admin.action(description="Deactivate the chosen accounts")
    def deactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        closed = 0
        for user in queryset.filter(is_active=True):
            try:
                people.close(user, because=User.Closed.SECURITY, by=cast("User", request.user))
                closed += 1
            except people.Oneself as refused:
                refusals.against_a_rule(cast("User", request.user), refused, user)
                messages.error(request, "Your own account stays open: somebody else has to close it.")
            except people.LastAdministrator as refused:
                refusals.against_a_rule(cast("User", request.user), refused, user)
                messages.error(request, f"{user.name} is the last administrator: the account stays open.")
        messages.success(request, f"{closed} account{'' if closed == 1 else 's'} closed, with all that was open.")


@admin.register(Clearance)
class ClearanceAdmin(ClearanceAdminBase):
    """To look at: a clearance comes from training and approvals, and those given by hand before can be revoked."""

    list_display = ("user", "basis", "granted_at", "expires_at", "revoked_at", "reason")
    list_filter = ("basis",)
    list_select_related = ("user",)
    search_fields = ("user__name", "user__email")
    fields = readonly_fields = ("user", "basis", "granted_at", "expires_at", "revoked_at", "reason")
    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Clearance | None = None) -> bool:
        """The list needs it for its actions; one clearance is only looked at."""
        return obj is None and super().has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Clearance | None = None) -> bool:
        return False

    @admin.action(description="Revoke the chosen clearances given by hand")
    def revoke(self, request: HttpRequest, queryset: QuerySet[Clearance]) -> None:
        live = queryset.filter(revoked_at=None)
        with transaction.atomic():
            revoked = live.filter(basis=Clearance.Basis.HAND).update(revoked_at=clock.now())
            epoch.bump()  # an answer that is being streamed ends too
        if revoked:
            messages.success(request, "The clearances are revoked. Their holders can no longer ask.")
        if live.exists():  # it would be opened again, as long as everything it rests on is there
            messages.error(request, "What rests on training and approvals is suspended in the list of access requests.")


admin.site.register(AuditEvent, AuditEventAdmin)
