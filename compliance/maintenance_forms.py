"""The form of the page of the read-only mode."""

from __future__ import annotations

from typing import Final

from django import forms

from compliance.free_text import FreeTextField

LONGEST_REASON: Final = 300


class StartForm(forms.Form):
    reason = FreeTextField(
        where="maintenance",
        label="Reason",
        max_length=LONGEST_REASON,
        error_messages={
            "required": "Say why. Everybody reads it.",
            "max_length": f"Say why in at most {LONGEST_REASON} characters.",
        },
    )
    until = forms.DateTimeField(
        label="Expected end",
        required=False,
        input_formats=["%Y-%m-%dT%H:%M"],
        error_messages={"invalid": "Enter a day and a time, such as 2026-11-22T18:00."},
    )
