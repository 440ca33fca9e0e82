"""What people send to take emergency access, and to judge it."""

from __future__ import annotations

from django import forms

from compliance.free_text import FreeTextField
from compliance.models import BreakGlass

SHORTEST = 15
LONGEST = 1000
LETTERS = 6
"""Different letters and digits a sentence has; a key that is held down has one."""


class SentenceField(FreeTextField):
    """A reason somebody else will read: words, not a way past the field."""

    def __init__(self, *, where: str, label: str, empty: str) -> None:
        required = {"required": empty, "max_length": f"Shorten it to {LONGEST} characters."}
        super().__init__(where=where, max_length=LONGEST, lines=True, label=label, error_messages=required)

    def validate(self, value: str) -> None:
        super().validate(value)
        if len(value) < SHORTEST:
            raise forms.ValidationError(f"Write at least {SHORTEST} characters, so that somebody else understands it.")
        if len({c for c in value.casefold() if c.isalnum()}) < LETTERS:
            raise forms.ValidationError("Write it in words, so that somebody else understands it.")


class EmergencyReason(SentenceField):
    """An emergency does not wait until masking works again: then its reason is asked for afterwards."""

    unchecked = "Not kept: it could not be checked for patient identifiers. Ask for it."


class TakeForm(forms.Form):
    what = forms.CharField(
        label="Conversation or document",
        max_length=500,
        error_messages={
            "required": "Enter the address or the id of a conversation or document.",
            "max_length": "That is too long for an address of ClinChat.",
        },
    )
    reason = EmergencyReason(where="emergency", label="Reason", empty="Write down what you need it for.")


class ReviewForm(forms.Form):
    finding = forms.ChoiceField(
        choices=BreakGlass.Finding.choices,
        error_messages={"required": "Choose one.", "invalid_choice": "Choose one of the two."},
    )
    note = SentenceField(where="emergency-review", label="Note", empty="Write down what the finding rests on.")
