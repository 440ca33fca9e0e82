"""Forms of the page of blocked networks."""

from __future__ import annotations

from datetime import timedelta

from django import forms

from compliance.access import networks
from compliance.free_text import FreeTextField
from compliance.models.networks import Network

LASTING = {
    "": ("Until somebody ends it", None),
    "hour": ("1 hour", timedelta(hours=1)),
    "day": ("1 day", timedelta(days=1)),
    "week": ("7 days", timedelta(days=7)),
    "month": ("30 days", timedelta(days=30)),
}
LONGEST_REASON = 300


class BlockForm(forms.Form):
    network = forms.CharField(
        label="Address or network",
        max_length=60,
        error_messages={"required": networks.NotANetwork.words, "max_length": networks.NotANetwork.words},
    )
    reason = FreeTextField(
        where="block",
        label="Reason",
        max_length=LONGEST_REASON,
        error_messages={
            "required": "Say why.",
            "max_length": f"Say why in at most {LONGEST_REASON} characters.",
        },
    )
    lasts = forms.ChoiceField(
        label="How long",
        required=False,
        choices=[(name, words) for name, (words, _) in LASTING.items()],
        error_messages={"invalid_choice": "Choose one of these."},
    )

    def clean_lasts(self) -> timedelta | None:
        return LASTING[self.cleaned_data["lasts"]][1]


class FindForm(forms.Form):
    """An address somebody cannot get in from."""

    find = forms.CharField(label="Which block holds this address", max_length=60, required=False)

    def clean_find(self) -> Network | None:
        typed: str = self.cleaned_data["find"]
        try:
            return networks.parse(typed) if typed else None
        except networks.Refused as refused:
            raise forms.ValidationError(refused.words) from None
