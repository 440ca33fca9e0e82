"""What people send to the chat."""

from __future__ import annotations

import re
import uuid

from django import forms

from chat.models import Feedback

LONGEST_QUESTION = 4000
# Keeps line breaks and tabs; drops what can hide or reorder text on the screen or in a log.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")


def plain(text: str) -> str:
    """The text without characters that no question or search needs, and surrounding space."""
    return CONTROL.sub("", text.replace("\r\n", "\n")).strip()


class QuestionField(forms.CharField):
    """Text without the characters no question needs; they are dropped before any validator sees them."""

    def to_python(self, value: object) -> str | None:
        return super().to_python(plain(str(value or "")))


class QuestionForm(forms.Form):
    question = QuestionField(
        max_length=LONGEST_QUESTION,
        error_messages={
            "required": "Write a question first.",
            "max_length": "That is %(show_value)d characters. Shorten the question to %(limit_value)d or fewer.",
        },
    )
    submission = forms.UUIDField(required=False, initial=uuid.uuid4)

    def clean_question(self) -> str:
        question = str(self.cleaned_data["question"])
        if not any(c.isalnum() for c in question):
            raise forms.ValidationError("Write the question in words.")
        return question

    def clean_submission(self) -> uuid.UUID:
        # A form without it (a script, an old page) still works; it only loses protection against sending twice.
        given: uuid.UUID | None = self.cleaned_data["submission"]
        return given or uuid.uuid4()


class FeedbackForm(forms.Form):
    helpful = forms.ChoiceField(choices=[("yes", "Helpful"), ("no", "Not helpful")])
    reasons = forms.MultipleChoiceField(choices=Feedback.Reason.choices, required=False)
    comment = forms.CharField(max_length=2000, required=False)
