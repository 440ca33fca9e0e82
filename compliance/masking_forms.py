"""What people send to settle a mask report and to propose a local term."""

from __future__ import annotations

from django import forms

from compliance import term_changes
from compliance.free_text import FreeTextField
from compliance.models import MaskReport, MaskTerm
from compliance.models.masking import LABELS, LONGEST_NOTE

NO_CHOICE = "That is not one of the choices."
TOO_LONG = f"Shorten it to {LONGEST_NOTE} characters."


class SettleForm(forms.Form):
    outcome = forms.ChoiceField(
        label="Outcome",
        choices=MaskReport.Outcome.choices,
        error_messages={"required": "Choose an outcome.", "invalid_choice": NO_CHOICE},
    )
    note = FreeTextField(
        where="mask-report",
        label="Note",
        max_length=LONGEST_NOTE,
        required=False,
        lines=True,
        error_messages={"max_length": TOO_LONG},
    )

    def clean_outcome(self) -> MaskReport.Outcome:
        return MaskReport.Outcome(self.cleaned_data["outcome"])


class TermForm(forms.Form):
    """Whether the words can be a term is for the service to say, and to record."""

    kind = forms.ChoiceField(
        label="What is to be done with them",
        choices=MaskTerm.Kind.choices,
        error_messages={"required": "Choose one.", "invalid_choice": NO_CHOICE},
    )
    words = forms.CharField(
        label="Words",
        max_length=term_changes.LONGEST,
        error_messages={
            "required": "Enter the words.",
            "max_length": f"A term has at most {term_changes.LONGEST} characters.",
        },
    )
    label = forms.ChoiceField(
        label="Masked as",
        required=False,
        choices=[("", "Choose a class"), *LABELS],
        error_messages={"invalid_choice": NO_CHOICE},
    )
    reason = FreeTextField(
        where="local-term",
        label="Reason",
        max_length=LONGEST_NOTE,
        error_messages={"required": "Say why.", "max_length": TOO_LONG},
    )
    report = forms.ModelChoiceField(MaskReport.objects.all(), required=False, widget=forms.HiddenInput)
