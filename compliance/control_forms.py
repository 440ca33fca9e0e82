"""What people send about a control: an attestation with its document, an exception they ask for."""

from __future__ import annotations

from typing import Any

from django import forms

from compliance.controls.attestations import LARGEST
from compliance.free_text import FreeTextField

LONGEST = 1000
NO_STATEMENT = f"Say what you confirm, in at most {LONGEST} characters."
NO_DOCUMENT = f"Choose the document it rests on: one file, not empty, of at most {LARGEST // (1024 * 1024)} MB."
NO_REASON = f"Say why, in at most {LONGEST} characters."
NO_COMPENSATING = f"Say what protects meanwhile, in at most {LONGEST} characters."


class DocumentField(forms.Field):
    """One file as it was sent, which is read once and sealed: nothing of it is kept in a folder."""

    widget = forms.FileInput

    def clean(self, value: Any) -> Any:
        if not value or not 0 < getattr(value, "size", 0) <= LARGEST:
            raise forms.ValidationError(NO_DOCUMENT)
        return value


class AttestForm(forms.Form):
    statement = FreeTextField(
        where="attestation",
        label="What you confirm",
        max_length=LONGEST,
        lines=True,
        error_messages={"required": NO_STATEMENT, "max_length": NO_STATEMENT},
    )
    document = DocumentField(label="The document it rests on")
    name = FreeTextField(
        where="attestation",
        label="Its name",
        max_length=150,
        error_messages={"required": "Name the document.", "max_length": "Use at most 150 characters."},
    )


class ExceptionForm(forms.Form):
    """`most`: days it may last. `compensating` is asked for where the gap is accepted, not where nothing applies."""

    reason = FreeTextField(
        where="control-exception",
        label="Why",
        max_length=LONGEST,
        lines=True,
        error_messages={"required": NO_REASON, "max_length": NO_REASON},
    )
    compensating = FreeTextField(
        where="control-exception",
        label="What protects meanwhile",
        max_length=LONGEST,
        lines=True,
        error_messages={"required": NO_COMPENSATING, "max_length": NO_COMPENSATING},
    )
    days = forms.IntegerField(label="For how many days")

    def __init__(self, *args: Any, most: int, gap: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["compensating"].required = gap
        days = self.fields["days"]
        words = f"A number of days from 1 to {most}."
        days.error_messages = {"required": words, "invalid": words}
        self.most, self.words = most, words

    def clean_days(self) -> int:
        days: int = self.cleaned_data["days"]
        if not 1 <= days <= self.most:
            raise forms.ValidationError(self.words)
        return days
