"""What people send to place and end a legal hold, and to have values erased."""

from __future__ import annotations

from typing import Final

from django import forms

from compliance.free_text import FreeTextField
from compliance.models import LegalHold
from compliance.registers import patients

LONGEST_REASON: Final = 300
NO_KIND: Final = "Choose what it is."
NO_SUBJECT: Final = f"Enter it, in at most {patients.LONGEST} characters."


def _reason(where: str, label: str, hint: str) -> FreeTextField:
    wrong = f"Say why, in at most {LONGEST_REASON} characters."
    errors = {"required": wrong, "max_length": wrong}
    return FreeTextField(where=where, label=label, max_length=LONGEST_REASON, help_text=hint, error_messages=errors)


def _kind() -> forms.ChoiceField:
    errors = {"required": NO_KIND, "invalid_choice": NO_KIND}
    return forms.ChoiceField(label="About", choices=LegalHold.Kind.choices, error_messages=errors)


def _subject() -> forms.CharField:
    """Whom or what it is about. A record number becomes the pseudonym of the audit trail and is kept nowhere."""
    return forms.CharField(
        label="Which one",
        max_length=patients.LONGEST,
        help_text="A patient: the record number, which is kept nowhere, or the pseudonym. A person: the e-mail "
        "address. A conversation: its id, from an event of the audit trail.",
        error_messages={"required": NO_SUBJECT, "max_length": NO_SUBJECT},
    )


class HoldForm(forms.Form):
    kind = _kind()
    subject = _subject()
    reason = _reason("hold", "Reason", "The claim or request it is kept for. No identifiers.")


class EndHoldForm(forms.Form):
    reason = _reason("hold", "Why it ends", "It is kept with the hold. No identifiers.")


class ErasureForm(forms.Form):
    kind = _kind()
    subject = _subject()
    reason = _reason("erasure", "Reason", "The request it rests on. No identifiers.")
