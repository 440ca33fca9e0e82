"""Conditions of the lists in oversight; all may be left out, and one that makes no sense counts as left out."""

from __future__ import annotations

from django import forms

from training.bank.types import SIX
from training.cohort import Asked, Status


class CohortForm(forms.Form):
    q = forms.CharField(required=False, max_length=100)
    department = forms.CharField(required=False, max_length=100)
    module = forms.ChoiceField(required=False, choices=[(slug, slug) for slug in SIX])
    status = forms.ChoiceField(required=False, choices=Status.choices)
    page = forms.IntegerField(required=False, min_value=1, max_value=10_000)

    def asked(self) -> Asked:
        self.is_valid()
        given = self.cleaned_data
        return Asked(
            department=given.get("department") or "",
            module=given.get("module") or "",
            status=given.get("status") or "",
            q=(given.get("q") or "").replace("\x00", ""),
            page=given.get("page") or 1,
        )


class ItemsForm(forms.Form):
    FLAGS = (("suspect", "Something may be wrong"), ("flagged", "Anything to look at"), ("few", "Too few answers"))

    module = forms.ChoiceField(required=False, choices=[(slug, slug) for slug in SIX])
    flag = forms.ChoiceField(required=False, choices=FLAGS)

    def module_asked(self) -> str:
        self.is_valid()
        return self.cleaned_data.get("module") or SIX[0]

    def flag_asked(self) -> str:
        self.is_valid()
        return self.cleaned_data.get("flag") or ""
