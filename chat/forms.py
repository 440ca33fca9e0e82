"""What people send to the chat."""

from __future__ import annotations

import re
import uuid
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from chat.models import Feedback
from compliance import phi
from compliance.models.masking import LABELS, LONGEST_NOTE

LONGEST_QUESTION = 4000
LONGEST_LIST = 4000
MOST_IN_THE_BOX = 100_000
"""Characters the box takes, which a request surely carries: what is too long to be sent stays there to be shortened."""
SHORTEST_WORDS, LONGEST_WORDS = 2, 200
# Keeps line breaks and tabs; drops what can hide or reorder text on the screen or in a log.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
# What is left of bytes that were never text. A name broken by one would not be found, so the text is refused.
NOT_TEXT = re.compile(r"[\x00\ud800-\udfff\ufffd-\uffff]")
# A token inside brackets: nobody means one, and masked it would look like another token.
NESTED = re.compile(r"\[[\w -]{0,30}(\[[^\[\]]{1,40}\])")


def plain(text: str) -> str:
    """The text without characters that no question or search needs, and surrounding space."""
    return CONTROL.sub("", text.replace("\r\n", "\n")).strip()


class QuestionField(forms.CharField):
    """Text without the characters no question needs; they are dropped before any validator sees them."""

    default_error_messages = {
        "not_text": "Remove the characters that are not text, shown as \ufffd, then send it again."
    }

    def to_python(self, value: object) -> str | None:
        typed = str(value or "")
        if NOT_TEXT.search(typed):
            raise forms.ValidationError(self.error_messages["not_text"], code="not_text")
        return super().to_python(plain(typed))


class NoteField(QuestionField):
    """What somebody may add to a report."""

    def __init__(self) -> None:
        words = {"max_length": "Shorten the note to %(limit_value)d characters."}
        super().__init__(max_length=LONGEST_NOTE, required=False, error_messages=words)


class DocumentField(forms.Field):
    """A document that is read at once and not kept; cleaned it is the file as it was sent, or None."""

    widget = forms.FileInput

    def clean(self, value: Any) -> UploadedFile[Any] | None:
        if value is not None and not value.size:
            raise forms.ValidationError("The document is empty. Choose another one, or write the medicines down.")
        return value if isinstance(value, UploadedFile) else None


class QuestionForm(forms.Form):
    not_masked = ("masking", "max_length", "not_text", "nested")
    """Codes of the errors for which a question is not masked, and so not sent."""
    most_in_the_box = MOST_IN_THE_BOX

    question = QuestionField(
        max_length=LONGEST_QUESTION,
        error_messages={
            "required": "Write a question first.",
            "max_length": "That is %(show_value)d characters. Shorten the question to %(limit_value)d or fewer.",
        },
    )
    medicines = QuestionField(
        max_length=LONGEST_LIST,
        required=False,
        error_messages={"max_length": "Shorten the list of medicines to %(limit_value)d characters."},
    )
    document = DocumentField(required=False)
    submission = forms.UUIDField(required=False, initial=uuid.uuid4)

    def clean_question(self) -> str:
        question = str(self.cleaned_data["question"])
        if not any(c.isalnum() for c in question):
            raise forms.ValidationError("Write the question in words.")
        if any(phi.tokens_of(inner) for inner in NESTED.findall(question)):
            raise forms.ValidationError("Remove the square brackets inside square brackets.", code="nested")
        return question

    def clean_submission(self) -> uuid.UUID:
        # A form without it (a script, an old page) still works; it only loses protection against sending twice.
        given: uuid.UUID | None = self.cleaned_data["submission"]
        return given or uuid.uuid4()


MASK_LABELS = [("", "I am not sure"), *LABELS]


class MissedMaskForm(forms.Form):
    """Words of a question that should have been masked."""

    words = QuestionField(
        max_length=LONGEST_WORDS,
        error_messages={
            "required": "Enter the words that should be masked, as they stand in your question.",
            "max_length": "Enter the identifier alone, in at most %(limit_value)d characters.",
        },
    )
    label = forms.ChoiceField(
        choices=MASK_LABELS, required=False, error_messages={"invalid_choice": "That is not one of the choices."}
    )
    note = NoteField()

    def clean_words(self) -> str:
        words = str(self.cleaned_data["words"])
        if sum(c.isalnum() for c in words) < SHORTEST_WORDS:
            raise forms.ValidationError("Enter at least two letters or digits.")
        return words


class WrongMaskForm(forms.Form):
    """Something that was masked and is no identifier."""

    token = forms.CharField(max_length=40, error_messages={"required": "Choose what should not be masked."})
    note = NoteField()


class FeedbackForm(forms.Form):
    helpful = forms.ChoiceField(choices=[("yes", "Helpful"), ("no", "Not helpful")])
    reasons = forms.MultipleChoiceField(choices=Feedback.Reason.choices, required=False)
    comment = forms.CharField(max_length=2000, required=False)
