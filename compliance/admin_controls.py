"""Owners of controls and schedules of checks in the admin. What a control asks for is the catalogue's, not theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.forms import ModelForm
from django.http import HttpRequest

from clinchat.lib import clock
from compliance.controls import catalogue
from compliance.models import CheckSchedule, ControlOwner, User

if TYPE_CHECKING:
    OwnerForm = ModelForm[ControlOwner]
    ScheduleForm = ModelForm[CheckSchedule]
    OwnerAdminBase = admin.ModelAdmin[ControlOwner]
    ScheduleAdminBase = admin.ModelAdmin[CheckSchedule]
else:
    OwnerForm = ScheduleForm = ModelForm
    OwnerAdminBase = ScheduleAdminBase = admin.ModelAdmin

SHORTEST = 5
"""Minutes. The schedule itself looks once a minute, and the live checks have this interval."""


class ControlOwnerForm(OwnerForm):
    control = forms.ChoiceField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        control, owner = self.fields.get("control"), self.fields.get("owner")
        if isinstance(control, forms.ChoiceField):
            control.choices = [(one.id, f"{one.id} {one.title}") for one in catalogue.current().controls]
        if isinstance(owner, forms.ModelChoiceField):
            owner.queryset = User.objects.filter(is_active=True, is_service=False)

    class Meta:
        model = ControlOwner
        fields = ("control", "owner")


class CheckScheduleForm(ScheduleForm):
    check_key = forms.ChoiceField(label="check")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        key = self.fields.get("check_key")
        if isinstance(key, forms.ChoiceField):
            key.choices = [
                (one.key, f"{one.key} (at least every {one.minutes} minutes)")
                for one in catalogue.current().checks.values()
            ]

    def clean(self) -> dict[str, Any]:
        sent: dict[str, Any] = super().clean() or {}
        key = sent.get("check_key") or self.instance.check_key
        check = catalogue.current().checks.get(key)
        minutes = sent.get("minutes")
        if check is not None and minutes is not None and not SHORTEST <= minutes <= check.minutes:
            self.add_error("minutes", f"Choose {SHORTEST} to {check.minutes} minutes: the catalogue asks for no less.")
        return sent

    class Meta:
        model = CheckSchedule
        fields = ("check_key", "minutes")


@admin.register(ControlOwner)
class ControlOwnerAdmin(OwnerAdminBase):
    form = ControlOwnerForm
    list_display = ("control", "title", "owner", "changed_at")

    def title(self, obj: ControlOwner) -> str:
        found = catalogue.current().by_id.get(obj.control)
        return found.title if found else "Not in this catalogue"

    def get_readonly_fields(self, request: HttpRequest, obj: ControlOwner | None = None) -> tuple[str, ...]:
        return ("control",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: ControlOwner | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ControlOwner, form: Any, change: bool) -> None:
        obj.changed_at = clock.now()
        super().save_model(request, obj, form, change)


@admin.register(CheckSchedule)
class CheckScheduleAdmin(ScheduleAdminBase):
    form = CheckScheduleForm
    list_display = ("check_key", "minutes", "changed_at")

    def get_readonly_fields(self, request: HttpRequest, obj: CheckSchedule | None = None) -> tuple[str, ...]:
        return ("check_key",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: CheckSchedule | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: CheckSchedule, form: Any, change: bool) -> None:
        obj.changed_at = clock.now()
        super().save_model(request, obj, form, change)
