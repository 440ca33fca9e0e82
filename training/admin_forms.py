"""Forms of the admin's page on which decisions about requests for access are confirmed."""

from __future__ import annotations

from typing import Any

from django import forms

from compliance.free_text import FreeTextField
from training.approval_forms import OLD_PAGE, SAY_WHY, TOO_LONG, LicenseForm, OpenedField, opened
from training.approvals import deciding
from training.models import AccessRequest
from training.models.approvals import LONGEST_REASON


class RowForm(LicenseForm):
    """One request: its tick, and for the identity check its license."""

    field_order = ("sure",)
    sure = forms.BooleanField(required=False, label="I have looked at it")
    opened = OpenedField(widget=forms.HiddenInput, max_length=400, error_messages={"required": OLD_PAGE})

    def __init__(self, data: Any, *, about: AccessRequest, licensed: bool) -> None:
        super().__init__(data, prefix=str(about.pk), initial={"opened": opened(about)})
        self.about = about
        if not licensed:
            for name in LicenseForm.base_fields:
                del self.fields[name]

    def choice(self) -> deciding.Choice:
        """What was ticked, as it was when the page was opened."""
        sent = self.cleaned_data
        _, about = sent["opened"]
        revision = about[1] if about is not None and about[0] == str(self.about.pk) else -1
        return deciding.Choice(self.about.pk, revision, self.license_found())


class ReasonForm(forms.Form):
    """One reason for all the rows."""

    reason = FreeTextField(
        where="access-decision",
        label="Reason",
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 80}),
        error_messages={"required": SAY_WHY, "max_length": TOO_LONG},
    )
