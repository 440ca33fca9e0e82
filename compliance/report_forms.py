"""Forms of the pages about reports."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, ClassVar

from django import forms

from clinchat.lib import clock
from compliance.reports.bundle import LONGEST
from compliance.reports.sections import month_of

MONTHS_BACK = 36


class MakeForm(forms.Form):
    """Which month a report is made of; the one that is running counts until now."""

    month = forms.ChoiceField(label="Month")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(f"{one:%Y-%m}", f"{one:%B %Y}") for one in _months()]
        running, words = choices[0]
        choices[0] = (running, f"{words}, until now")
        self.fields["month"] = forms.ChoiceField(
            label="Month",
            choices=choices,
            initial=choices[1][0],
            error_messages={"invalid_choice": "Choose one of the months."},
        )

    @property
    def chosen(self) -> date:
        return date.fromisoformat(f"{self.cleaned_data['month']}-01")


def _months() -> list[date]:
    found = [month_of(clock.now().date()).month]
    while len(found) < MONTHS_BACK:
        found.append((found[-1] - timedelta(days=1)).replace(day=1))
    return found


class BundleForm(forms.Form):
    """Which days an auditor's bundle is of."""

    WRONG: ClassVar = {"required": "Choose a day.", "invalid": "Enter a day as 2026-11-01."}

    first = forms.DateField(label="From", widget=forms.DateInput(attrs={"type": "date"}), error_messages=WRONG)
    last = forms.DateField(
        label="To",
        help_text=f"At most {LONGEST} days, in UTC.",
        widget=forms.DateInput(attrs={"type": "date"}),
        error_messages=WRONG,
    )
    documents = forms.BooleanField(label="With the documents behind attestations", required=False)
