"""What the pages of all registers share: forms on pages of their own, and refusals said at a field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from compliance.access import Action, allows

Refusals = Mapping[type[Exception], tuple[str | None, str]]
"""What a service refuses: the field it is said at, None for the whole form, and the words."""


def show(request: HttpRequest, template: str, context: Mapping[str, Any]) -> HttpResponse:
    """A page of a register, and whether its reader may change it."""
    may = {"may_keep": allows(request.user, Action.KEEP_REGISTERS)}
    return render(request, f"compliance/registers/{template}.html", may | dict(context))


def ask(request: HttpRequest, form: forms.Form, *, title: str, lead: str, button: str, back: str) -> HttpResponse:
    """A form on a page of its own; `back` is the address of the page it belongs to."""
    files = any(isinstance(field.widget, forms.FileInput) for field in form.fields.values())
    context = {"form": form, "title": title, "lead": lead, "button": button, "back": back, "files": files}
    return show(request, "form", context)


def done(form: forms.Form, act: Callable[..., object], refused: Refusals) -> bool:
    """Do what the form asks for, if it is right. What the service refuses is said at its field."""
    if not form.is_valid():
        return False
    try:
        act(**form.cleaned_data)
    except tuple(refused) as error:
        field, words = refused[type(error)]
        form.add_error(field, words)
    return not form.errors
