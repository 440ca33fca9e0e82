"""Forms of the pages about people, their roles and the review of these."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import Q, QuerySet

from compliance.access import Role
from compliance.free_text import FreeTextField
from compliance.models import User

LONGEST_REASON = 300
NO_CHOICE = "That is not one of the choices."


class SearchForm(forms.Form):
    """Conditions of the list of people; all may be left out."""

    STATUS = (
        ("open", "Open"),
        ("closed", "Closed"),
        ("dormant", "Closed: not used for 45 days"),
        ("left", "Closed: no longer works here"),
        ("security", "Closed by security"),
        ("service", "Service account"),
    )

    q = forms.CharField(required=False, max_length=100)
    role = forms.ChoiceField(
        required=False, choices=[*Role.choices, ("none", "No role")], error_messages={"invalid_choice": NO_CHOICE}
    )
    status = forms.ChoiceField(required=False, choices=STATUS, error_messages={"invalid_choice": NO_CHOICE})

    def find(self, people: QuerySet[User]) -> QuerySet[User]:
        """Those of `people` that fulfil every condition given; nobody when a condition makes no sense."""
        if not self.is_valid():
            return people.none()
        asked: dict[str, Any] = self.cleaned_data
        for word in asked["q"].split():
            people = people.filter(Q(name__icontains=word) | Q(email__icontains=word) | Q(department__icontains=word))
        match asked["role"]:
            case "":
                pass
            case "none":
                people = people.filter(role_assignments=None)
            case role:
                people = people.filter(role_assignments__role=role)
        match asked["status"]:
            case "":
                return people
            case "open" | "closed" as state:
                return people.filter(is_active=state == "open")
            case "service":
                return people.filter(is_service=True)
            case because:
                return people.filter(closed_because=because)


class NewPersonForm(forms.Form):
    name = forms.CharField(label="Name", max_length=200, error_messages={"required": "Enter the full name."})
    email = forms.EmailField(
        label="Work e-mail",
        max_length=254,
        error_messages={
            "required": "Enter the work e-mail.",
            "invalid": "Enter the full work e-mail, with the part after the @.",
        },
    )
    title = forms.CharField(label="Title", max_length=50, required=False)
    department = forms.CharField(label="Department", max_length=100, required=False)


class RoleForm(forms.Form):
    """What is to be done with which role. Whether there is such a role is for the service to say, and to record."""

    kind = forms.CharField(max_length=10, error_messages={"required": NO_CHOICE})
    role = forms.CharField(max_length=30, error_messages={"required": "Choose a role."})
    reason = FreeTextField(
        where="role-request",
        max_length=LONGEST_REASON,
        error_messages={
            "required": "Say why.",
            "max_length": f"Say why, in at most {LONGEST_REASON} characters.",
        },
    )


class NoteForm(forms.Form):
    """What who decides says about it."""

    note = FreeTextField(
        where="role-request",
        max_length=LONGEST_REASON,
        required=False,
        error_messages={"max_length": f"Use at most {LONGEST_REASON} characters. Nothing was decided."},
    )


class LeaveForm(forms.Form):
    """Ending an employment cannot be undone with one click, so it takes two."""

    sure = forms.BooleanField(error_messages={"required": "Tick the box to confirm that the person leaves."})


class DecisionsForm(forms.Form):
    """One decision about the roles that were chosen."""

    decision = forms.ChoiceField(
        choices=[("keep", "Confirm"), ("take", "Take away")],
        error_messages={"required": NO_CHOICE, "invalid_choice": NO_CHOICE},
    )
    item = forms.TypedMultipleChoiceField(
        coerce=forms.UUIDField().clean, error_messages={"required": "Choose at least one role."}
    )

    def __init__(self, *args: Any, shown: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["item"]
        assert isinstance(field, forms.TypedMultipleChoiceField)  # noqa: S101  # narrows the type
        field.choices = [(one, one) for one in shown]
