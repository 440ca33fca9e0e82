"""What editors and reviewers of the knowledge base send: files, descriptions, decisions, reasons."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, NamedTuple, cast

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils import timezone

from chat import days, readership
from chat.corpus.formats import LIMITS, MAX_BYTES
from chat.models import Collection, Document, DocumentVersion, Finding
from chat.models.library import Grade, Kind
from clinchat.lib import ui_tags
from compliance.access import Role
from compliance.free_text import FreeTextField
from compliance.models import User

LONGEST_NOTE = 500
LONGEST_NAME = 200
MOST_FILES = 20
NEW = "new"
"""Stands among the collections for one that is to be made."""
NO_CHOICE = "That is not one of the choices."
NO_DATE = "Enter a date, such as 2027-05-21."
TOO_LONG = "Shorten it to %(limit_value)d characters."
SHUT_OUT = "You would not be able to read it yourself. Choose your own role and department as well, or none."
MEGABYTE = 1_000_000


class DayForm(forms.Form):
    """The day the library is searched as of, if another than today. Cleaned it is the end of that day."""

    on = forms.DateField(label="As of", required=False, error_messages={"invalid": NO_DATE})

    def clean_on(self) -> datetime | None:
        day = self.cleaned_data["on"]
        try:
            return days.end_of(day) if day and day != days.today() else None
        except days.NotYet:
            raise forms.ValidationError("Choose a day that is not in the future.") from None

    @property
    def address(self) -> str:
        """The day as it stands in an address; empty for today."""
        moment = self.cleaned_data["on"]
        return timezone.localdate(moment).isoformat() if moment else ""


# ── Adding ───────────────────────────────────────────────────────────────────────────────────────────────────────


class _Several(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.Field):
    """One file or several, taken as they come: what a file holds is for its reader to say, not for its name."""

    widget = _Several

    def clean(self, value: Any) -> list[UploadedFile[Any]]:
        sent = value if isinstance(value, list) else [value] if value else []
        if not sent:
            raise forms.ValidationError("Choose at least one file.", code="required")
        if len(sent) > MOST_FILES:
            raise forms.ValidationError(f"Choose at most {MOST_FILES} files at once.")
        for file in sent:
            if not file.size:
                raise forms.ValidationError(f"“{file.name}” is empty.")
            if file.size > MAX_BYTES:
                raise forms.ValidationError(f"“{file.name}” is larger than {MAX_BYTES // MEGABYTE} MB. Split it.")
        return sent


class ReadersForm(forms.Form):
    """Roles and departments that may read; none chosen means everybody."""

    readers = forms.MultipleChoiceField(
        label="Roles", required=False, choices=Role.choices, error_messages={"invalid_choice": NO_CHOICE}
    )
    departments = forms.MultipleChoiceField(
        label="Departments", required=False, error_messages={"invalid_choice": NO_CHOICE}
    )

    def __init__(self, *args: Any, what: Collection | Document | None = None, **options: Any) -> None:
        if what is not None:
            options.setdefault("initial", {"readers": what.readers, "departments": what.departments})
        super().__init__(*args, **options)
        known = {*readership.departments(), *(what.departments if what else [])}
        cast("forms.ChoiceField", self.fields["departments"]).choices = [(name, name) for name in sorted(known)]


class AddForm(ReadersForm):
    """Files, and the collection they go to: one there is, or one that is made for them with its readers."""

    collection = forms.ChoiceField(
        label="Collection", error_messages={"required": "Choose a collection.", "invalid_choice": NO_CHOICE}
    )
    name = forms.CharField(
        label="Name of the new collection",
        required=False,
        max_length=LONGEST_NAME,
        error_messages={"max_length": TOO_LONG},
    )
    file = FilesField(label="Files")
    ocr = forms.BooleanField(label="Read scanned pages", required=False)

    def __init__(self, *args: Any, by: User, document: Document | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.document = document
        self.collections = {c.slug: c for c in Collection.objects.visible_to(by).order_by("name")}
        choices = [*((slug, c.name) for slug, c in self.collections.items()), (NEW, "A new collection")]
        cast("forms.ChoiceField", self.fields["collection"]).choices = choices
        if document is not None:
            del self.fields["collection"]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("collection") == NEW and not data.get("name") and "name" not in self.errors:
            self.add_error("name", "Name the new collection.")
        if self.document and len(data.get("file", [])) > 1:
            self.add_error("file", "A new version is one file.")
        return data

    def destination(self, by: User) -> Collection:
        """The collection, made if it is a new one. Raises readership.ShutOut."""
        if self.document is not None:
            return self.document.collection
        data = self.cleaned_data
        if data["collection"] != NEW:
            return self.collections[data["collection"]]
        return readership.make_collection(
            name=data["name"], readers=data["readers"], departments=data["departments"], by=by
        )


# ── Drafts ───────────────────────────────────────────────────────────────────────────────────────────────────────


class _Described(forms.CharField):
    """Words about a document: its publisher, its owner. Two people look at them before anybody reads the document;
    masking would take every publisher named after a person for a patient.
    """

    def __init__(self, label: str, name: str, *, required: str = "") -> None:
        words = {"max_length": TOO_LONG, "required": required}
        super().__init__(label=label, max_length=LIMITS[name], required=bool(required), error_messages=words)


class Conflict(NamedTuple):
    """A field somebody else changed meanwhile, and what stands there now."""

    label: str
    now: str


class DescriptionForm(forms.Form):
    """What is said of a draft. Only its title is needed to save it; the others before it goes to review."""

    title = _Described("Title", "title", required="Enter a title.")
    external_id = _Described("Id", "external_id", required="Enter an id.")
    kind = forms.ChoiceField(
        label="Kind",
        choices=Kind.choices,
        error_messages={"required": "Choose a kind.", "invalid_choice": NO_CHOICE},
    )
    specialty = _Described("Specialty", "specialty")
    owner = _Described("Owner", "owner")
    source = _Described("Source", "source")
    url = forms.URLField(
        label="Address of the source",
        max_length=LIMITS["url"],
        required=False,
        assume_scheme="https",
        error_messages={"invalid": "Enter a full address, such as https://www.cdc.gov/.", "max_length": TOO_LONG},
    )
    licence = _Described("License", "licence")
    evidence_grade = forms.ChoiceField(
        label="Certainty of the evidence",
        required=False,
        choices=[("", "Not graded"), *Grade.choices],
        error_messages={"invalid_choice": NO_CHOICE},
    )
    effective_from = forms.DateField(label="In effect from", required=False, error_messages={"invalid": NO_DATE})
    review_by = forms.DateField(label="Review by", required=False, error_messages={"invalid": NO_DATE})
    revision = forms.IntegerField(min_value=0, widget=forms.HiddenInput)

    def __init__(self, data: Mapping[str, Any] | None = None, *, draft: DocumentVersion, renames: bool) -> None:
        initial = {name: getattr(draft, name) for name in self.base_fields if hasattr(draft, name)}
        super().__init__(data, initial={**initial, "external_id": draft.document.external_id})
        if not renames:
            del self.fields["external_id"]

    def clean_review_by(self) -> Any:
        day = self.cleaned_data["review_by"]
        if day and day <= days.today():
            raise forms.ValidationError("Choose a day after today.")
        return day

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        begins, ends = data.get("effective_from"), data.get("review_by")
        if begins and ends and ends <= begins:
            self.add_error("review_by", "Choose a day after the one it is in effect from.")
        return data

    def conflicts(self) -> list[Conflict]:
        """Fields in which what was sent differs from the draft as it stands."""
        if not self.is_valid():
            return []
        sent = {name: value for name, value in self.cleaned_data.items() if name != "revision"}
        return [
            Conflict(str(self.fields[name].label), self._words(name))
            for name, value in sent.items()
            if (value or "") != (self.initial[name] or "")
        ]

    def _words(self, name: str) -> str:
        """What stands there now, as a page says it."""
        now = self.initial[name]
        choices: dict[str, str] = {"kind": dict(Kind.choices), "evidence_grade": dict(Grade.choices)}.get(name, {})
        if now in choices:
            return choices[now]
        return ui_tags.day(now) if isinstance(now, date) else str(now or "")


class SettleForm(forms.Form):
    """Findings of the draft that somebody looked at. A row's number is in no address."""

    finding = forms.ModelMultipleChoiceField(Finding.objects.none())

    def __init__(self, *args: Any, draft: DocumentVersion, **options: Any) -> None:
        super().__init__(*args, **options)
        cast("forms.ModelMultipleChoiceField[Finding]", self.fields["finding"]).queryset = draft.findings.all()


class RevisionForm(forms.Form):
    """The state of the draft somebody saw when they decided to send it."""

    revision = forms.IntegerField(min_value=0)


class DecisionForm(RevisionForm):
    APPROVE, RETURN = "approve", "return"
    CHOICES = ((APPROVE, "Approve it"), (RETURN, "Send it back with a note"))

    decision = forms.ChoiceField(
        label="Decision",
        choices=CHOICES,
        error_messages={"required": "Choose what you decide.", "invalid_choice": NO_CHOICE},
    )
    note = FreeTextField(
        where="library-review",
        label="Note",
        max_length=LONGEST_NOTE,
        required=False,
        lines=True,
        error_messages={"max_length": TOO_LONG},
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("decision") == self.RETURN and not data.get("note") and "note" not in self.errors:
            self.add_error("note", "Say what has to change.")
        return data


# ── Releases ─────────────────────────────────────────────────────────────────────────────────────────────────────


class ReasonForm(forms.Form):
    reason = FreeTextField(
        where="library-reason",
        label="Reason",
        max_length=LONGEST_NOTE,
        lines=True,
        error_messages={"required": "Say why.", "max_length": TOO_LONG},
    )


class RollBackForm(ReasonForm):
    withdrawn_too = forms.BooleanField(label="Bring back what was withdrawn since", required=False)
