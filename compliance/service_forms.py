"""Forms of the page of service accounts."""

from __future__ import annotations

from django import forms

from compliance import audit_vocabulary
from compliance.access import Action, services
from compliance.models.tokens import LONGEST_SERVICE

LASTING = {30: "30 days", 90: "90 days", 180: "180 days", LONGEST_SERVICE.days: "a year"}
CHOOSE = "Choose one of these."


class AccountForm(forms.Form):
    name = forms.CharField(
        label="Name",
        max_length=200,
        error_messages={"required": "Enter a name for it.", "max_length": "Use at most 200 characters."},
    )


class TokenForm(forms.Form):
    name = forms.CharField(
        label="Where it is used",
        max_length=100,
        error_messages={
            "required": "Say where it is used, so that it can be found again.",
            "max_length": "Use at most 100 characters.",
        },
    )
    scopes = forms.MultipleChoiceField(
        label="What it may do",
        choices=[(str(action), audit_vocabulary.ACTIONS[action].capitalize()) for action in sorted(services.DELEGABLE)],
        error_messages={
            "required": "Choose at least one.",
            "invalid_choice": "Choose from the list.",
            "invalid_list": "Choose from the list.",
        },
    )
    days = forms.TypedChoiceField(
        label="How long",
        coerce=int,
        choices=list(LASTING.items()),
        initial=90,
        error_messages={"required": CHOOSE, "invalid_choice": CHOOSE},
    )

    def clean_scopes(self) -> frozenset[Action]:
        return frozenset(Action(scope) for scope in self.cleaned_data["scopes"])
