"""The forms of the page of the read-only mode."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django import forms
from django.utils import timezone

from compliance.free_text import FreeTextField

LONGEST_REASON: Final = 300
MINUTES: Final = "%Y-%m-%dT%H:%M"


def _reason() -> FreeTextField:
    return FreeTextField(
        where="maintenance",
        label="Reason",
        max_length=LONGEST_REASON,
        error_messages={
            "required": "Say why. Everybody reads it.",
            "max_length": f"Say why in at most {LONGEST_REASON} characters.",
        },
    )


def _time(label: str, *, required: bool = True) -> forms.DateTimeField:
    """In the time zone of the hospital. One that its clocks skip or show twice is refused."""
    words = "Enter a day and a time, such as 2026-11-22T18:00."
    errors = {"invalid": words, "required": words}
    return forms.DateTimeField(label=label, required=required, input_formats=[MINUTES], error_messages=errors)


class StartForm(forms.Form):
    reason = _reason()
    until = _time("Expected end", required=False)


class MoveForm(forms.Form):
    starts_at = _time("Start")
    until = _time("Expected end")


class PlanForm(MoveForm):
    reason = _reason()


def shown(at: datetime) -> str:
    """A moment as these forms take it."""
    return timezone.localtime(at).strftime(MINUTES)
