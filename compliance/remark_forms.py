"""What people send as feedback, and what is sent to answer it."""

from __future__ import annotations

from django import forms

from compliance import remarks
from compliance.free_text import FreeTextField
from compliance.models import Remark
from compliance.models.remarks import LONGEST_REMARK

NO_CHOICE = "That is not one of the choices."
TOO_LONG = f"Shorten it to {LONGEST_REMARK:,} characters."


class RemarkForm(forms.Form):
    about = forms.CharField(required=False, max_length=20)
    subject = forms.CharField(required=False, max_length=remarks.LONGEST_SUBJECT)
    category = forms.ChoiceField(
        label="What is it",
        choices=Remark.Category.choices,
        error_messages={"required": "Choose what it is.", "invalid_choice": NO_CHOICE},
    )
    text = FreeTextField(
        where="remark",
        label="Your feedback",
        max_length=LONGEST_REMARK,
        lines=True,
        error_messages={"required": "Say what you noticed.", "max_length": TOO_LONG},
    )

    def clean(self) -> None:
        """What it is about may have come from an address, so an unknown one is no error of the person's."""
        about, subject = self.cleaned_data.get("about", ""), self.cleaned_data.get("subject", "")
        self.errors.pop("about", None)
        self.errors.pop("subject", None)
        self.cleaned_data["about"], self.cleaned_data["subject"] = remarks.subject_of(about, subject)

    def clean_category(self) -> Remark.Category:
        return Remark.Category(self.cleaned_data["category"])


class HandleForm(forms.Form):
    revision = forms.IntegerField(min_value=0, max_value=2**31 - 1)
    status = forms.ChoiceField(
        label="Status",
        choices=[one for one in Remark.Status.choices if one[0] != Remark.Status.NEW],
        error_messages={"required": "Choose a status.", "invalid_choice": NO_CHOICE},
    )
    reply = FreeTextField(
        where="remark-reply",
        label="Reply",
        max_length=LONGEST_REMARK,
        required=False,
        lines=True,
        error_messages={"max_length": TOO_LONG},
    )

    def clean_status(self) -> Remark.Status:
        return Remark.Status(self.cleaned_data["status"])


class FindRemarksForm(forms.Form):
    """Conditions of the queue; all may be left out."""

    status = forms.ChoiceField(required=False, choices=[("open", "Open"), *Remark.Status.choices])
    category = forms.ChoiceField(required=False, choices=Remark.Category.choices)
    about = forms.ChoiceField(required=False, choices=Remark.About.choices)

    def conditions(self) -> dict[str, object]:
        """For `filter`; a condition that makes no sense is left out."""
        self.is_valid()
        asked = {name: value for name, value in self.cleaned_data.items() if value}
        if asked.get("status") == "open":
            del asked["status"]
            return {**asked, "status__in": [Remark.Status.NEW, Remark.Status.UNDER_WAY]}
        return asked
