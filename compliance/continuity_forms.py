"""What people send about backups and restores. Names and reasons are masked for good."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django import forms
from django.utils import timezone

from compliance.continuity.point_in_time import wal
from compliance.free_text import FreeTextField
from compliance.models import Backup

LONGEST_NAME: Final = 80
LONGEST_REASON: Final = 300
BY_HAND: Final = (Backup.Type.MANUAL, Backup.Type.PRE_DEPLOYMENT, Backup.Type.FORENSIC)
"""The types somebody can ask for; the others make themselves."""
NO_CHOICE: Final = "Choose one of these."
NO_MOMENT: Final = "Enter a date and a time, such as 2027-05-21 14:05:00."


def _reason(hint: str) -> FreeTextField:
    return FreeTextField(
        where="continuity",
        label="Reason",
        max_length=LONGEST_REASON,
        help_text=hint,
        error_messages={"required": "Say why.", "max_length": f"Say why in at most {LONGEST_REASON} characters."},
    )


class SnapshotForm(forms.Form):
    type = forms.ChoiceField(
        label="What it is for",
        choices=[(one.value, one.label) for one in BY_HAND],
        error_messages={"required": NO_CHOICE, "invalid_choice": NO_CHOICE},
    )
    name = FreeTextField(
        where="continuity",
        label="Name",
        max_length=LONGEST_NAME,
        help_text="Whoever goes back to it types this name.",
        error_messages={"required": "Give it a name.", "max_length": f"Use at most {LONGEST_NAME} characters."},
    )
    reason = _reason("It is kept with the snapshot. Identifiers are masked before this is saved.")


class RestoreForm(forms.Form):
    """`reach`: the first and the last moment that can be named instead of what the snapshot holds, if any can."""

    typed_name = forms.CharField(
        label="Name of the snapshot", max_length=LONGEST_NAME, error_messages={"required": "Type its name."}
    )
    reason = _reason("The second person and the audit trail see it. Identifiers are masked before this is saved.")
    to_time = forms.DateTimeField(
        label="Go back to this moment",
        required=False,
        input_formats=["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"],
        error_messages={"invalid": NO_MOMENT},
    )

    def __init__(self, *args: Any, reach: tuple[datetime, datetime] | None, **options: Any) -> None:
        super().__init__(*args, **options)
        if reach is None:
            del self.fields["to_time"]
        else:
            ends = (wal.ceil_second(reach[0]), reach[1])
            first, last = (f"{timezone.localtime(one):%Y-%m-%d %H:%M:%S}" for one in ends)
            self.fields["to_time"].help_text = f"Any second from {first} to {last}. Empty: what the snapshot holds."


class UndoForm(forms.Form):
    reason = _reason("It is kept with the restore. Identifiers are masked before this is saved.")


class FindSnapshotsForm(forms.Form):
    """Conditions of the list; one that makes no sense is left out."""

    environment = forms.ChoiceField(required=False)
    type = forms.ChoiceField(required=False, choices=Backup.Type.choices)

    def __init__(self, *args: Any, environments: list[str], **options: Any) -> None:
        super().__init__(*args, **options)
        field = self.fields["environment"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  # narrows the type
        field.choices = [(one, one) for one in environments]

    def asked(self) -> dict[str, str]:
        """The conditions that were sent, as filters of Backup."""
        self.is_valid()
        return {name: self.cleaned_data[name] for name in self.fields if self.cleaned_data.get(name)}
