"""What editors send to tell how well a collection answers."""

from __future__ import annotations

from typing import Any

from django import forms

MEGABYTE = 1_000_000


class TextFile(forms.Field):
    """A file of text in UTF-8; cleaned it is its text."""

    widget = forms.FileInput

    def clean(self, value: Any) -> str:
        if not value:
            raise forms.ValidationError("Choose a file.", code="required")
        if not value.size:
            raise forms.ValidationError("The file is empty.")
        try:
            return str(value.read(), "utf-8-sig")
        except UnicodeDecodeError:
            raise forms.ValidationError("The file is not text in UTF-8.") from None


class QuestionsForm(forms.Form):
    """A file of labeled questions in JSON lines."""

    MOST_BYTES = 4 * MEGABYTE

    file = TextFile(label="File")
    replace = forms.BooleanField(label="Replace all questions there are", required=False)

    def lines(self) -> list[str]:
        """The lines of the file as they are numbered."""
        text: str = self.cleaned_data["file"]
        return text.replace("\r\n", "\n").split("\n")
