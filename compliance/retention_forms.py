"""What people send to ask for a purge of the audit trail."""

from __future__ import annotations

from typing import Any

from django import forms

from compliance.free_text import FreeTextField

LONGEST_REASON = 500
NO_MONTH = "Choose one of the months that are older than ten years."
NO_REASON = f"Say why these events may go, in at most {LONGEST_REASON} characters."


class PurgeForm(forms.Form):
    """`due`: what "everything before" may be, each with its words."""

    before = forms.ChoiceField(
        label="Remove everything up to the end of", error_messages={"required": NO_MONTH, "invalid_choice": NO_MONTH}
    )
    reason = FreeTextField(
        where="audit-purge",
        label="Reason",
        max_length=LONGEST_REASON,
        error_messages={"required": NO_REASON, "max_length": NO_REASON},
    )

    def __init__(self, *args: Any, due: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["before"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  # narrows the type
        field.choices = due
