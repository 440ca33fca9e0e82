"""The form that signs everyone out."""

from __future__ import annotations

from django import forms
from django.core.exceptions import ValidationError

WORDS = "sign everyone out"
NOT_CONFIRMED = f"Type the words “{WORDS}”. Nobody was signed out."


class EndAllForm(forms.Form):
    confirm = forms.CharField(
        label=f"Type “{WORDS}”", max_length=100, error_messages={"required": NOT_CONFIRMED, "max_length": NOT_CONFIRMED}
    )

    def clean_confirm(self) -> str:
        words: str = self.cleaned_data["confirm"]
        if words.lower() != WORDS:
            raise ValidationError(NOT_CONFIRMED, code="confirm")
        return words
