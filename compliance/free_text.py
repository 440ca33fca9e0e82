"""What staff write in prose: reasons and notes. Masked for good before anything keeps it (compliance.masking.note)."""

from __future__ import annotations

from typing import Any

from django import forms

from compliance import masking, phi

NOT_CHECKED = (
    "This could not be checked for patient identifiers, so nothing was saved. Your text is still here: send it again "
    "in a minute."
)


def masked(text: str, *, where: str, longest: int) -> str:
    """`masking.note`, cut off where the words for identifiers made it longer than `longest`. Raises PhiUnavailable."""
    note = masking.note(text, where=where)
    return note if len(note) <= longest else f"{note[: longest - 1]}…"


class FreeTextField(forms.CharField):
    """Prose of at most `max_length` characters; its cleaned value is masked. `where` names the place, as in masking.

    Without `lines` it is one line. While masking does not work the form is refused in words for its reader; a field
    that must not stop anybody sets `unchecked`, which is then kept instead of what was typed.
    """

    unchecked = ""

    def __init__(self, *, where: str, max_length: int, lines: bool = False, **options: Any) -> None:
        super().__init__(max_length=max_length, **options)
        self.where, self.longest, self.lines = where, max_length, lines

    def to_python(self, value: Any) -> str | None:
        text = super().to_python(value)
        return text if self.lines or not text else " ".join(text.split())

    def clean(self, value: Any) -> str:
        text: str = super().clean(value)
        try:
            return masked(text, where=self.where, longest=self.longest)
        except phi.PhiUnavailable:
            if self.unchecked:
                return self.unchecked
            raise forms.ValidationError(NOT_CHECKED, code="masking") from None
