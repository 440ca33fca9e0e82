"""People, clearances and the audit trail in the admin. Nobody and nothing on record is deleted here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.forms import BaseUserCreationForm
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from clinchat.lib import clock
from compliance.admin_audit import AuditEventAdmin
from compliance.models import AuditEvent, Clearance, RoleAssignment, User

if TYPE_CHECKING:
    UserAdminBase = admin.ModelAdmin[User]
    ClearanceAdminBase = admin.ModelAdmin[Clearance]
    RoleInlineBase = admin.TabularInline[RoleAssignment, User]
    NewUserBase = BaseUserCreationForm[User]
else:
    UserAdminBase = ClearanceAdminBase = admin.ModelAdmin
    RoleInlineBase = admin.TabularInline
    NewUserBase = BaseUserCreationForm

# Their own apps registered these. The devices would show keys and recovery codes, groups grant nothing here,
# and django-auditlog's page shows the fields its own model has.
admin.site.unregister([TOTPDevice, StaticDevice, Group, AuditEvent])


class NewUserForm(NewUserBase):
    class Meta:
        model = User
        fields = ("email", "name", "title", "department")
        field_classes = {"email": forms.EmailField}


class RoleInline(RoleInlineBase):
    model = RoleAssignment
    fk_name = "user"
    extra = 0
    fields = ("role", "granted_at", "granted_by")
    readonly_fields = ("granted_at", "granted_by")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """A role is granted or taken away; turning one into another would hide both."""
        return False


@admin.register(User)
class UserAdmin(UserAdminBase):
    list_display = ("name", "email", "title", "department", "is_active", "last_login")
    list_filter = ("is_active", "department", "role_assignments__role")
    search_fields = ("name", "email")
    fields = ("email", "name", "title", "department", "is_active", "created_at", "last_login")
    readonly_fields = ("created_at", "last_login")
    inlines = (RoleInline,)
    actions = ("deactivate",)

    def get_form(self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **({} if obj else {"form": NewUserForm}) | kwargs)

    def get_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        return self.fields if obj else (*NewUserForm.Meta.fields, "password1", "password2")

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        for assignment in formset.save(commit=False):
            assignment.granted_by = request.user
            assignment.save()
        for assignment in formset.deleted_objects:
            assignment.delete()

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    @admin.action(description="Deactivate the chosen accounts")
    def deactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset.filter(is_active=True):
            user.is_active = False
            user.save(update_fields=["is_active"])
        messages.success(request, "The accounts are closed, and their sessions with them.")


@admin.register(Clearance)
class ClearanceAdmin(ClearanceAdminBase):
    list_display = ("user", "granted_at", "expires_at", "revoked_at", "reason")
    list_select_related = ("user",)
    search_fields = ("user__name", "user__email")
    fields = ("user", "expires_at", "reason")
    actions = ("revoke",)
    formfield_overrides = {
        models.DateTimeField: {
            "form_class": forms.DateTimeField,
            "widget": forms.DateTimeInput(attrs={"type": "datetime-local"}),
        }
    }

    def has_change_permission(self, request: HttpRequest, obj: Clearance | None = None) -> bool:
        """The list needs it for its actions; one clearance is only looked at."""
        return obj is None and super().has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Clearance | None = None) -> bool:
        return False

    @admin.action(description="Revoke the chosen clearances")
    def revoke(self, request: HttpRequest, queryset: QuerySet[Clearance]) -> None:
        for clearance in queryset.filter(revoked_at=None):
            clearance.revoked_at = clock.now()
            clearance.save(update_fields=["revoked_at"])
        messages.success(request, "The clearances are revoked. Their holders can no longer ask.")


admin.site.register(AuditEvent, AuditEventAdmin)
