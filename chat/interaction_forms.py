"""What people send to check medicines, to answer alerts, to change the interaction table and to read its figures."""

from __future__ import annotations

from typing import Any, Final

from django import forms

from chat.forms import NoteField, QuestionField
from chat.interactions import current, lists
from chat.interactions.check import MOST_ENTRIES
from chat.interactions.names import Kind
from chat.models import InteractionAlert, InteractionCheck
from chat.models.interactions import LONGEST_NOTE, LONGEST_WORDS, SEVERITIES
from chat.question_forms import MEGABYTE, TextFile
from compliance.free_text import FreeTextField

NO_CHOICE = "That is not one of the choices."
NO_DATE = "Enter a date, such as 2027-05-21."
TOO_LONG = "Shorten it to %(limit_value)d characters."
NO_TABLE = "The interaction table cannot be used at the moment, so nothing was changed. Tell whoever runs ClinChat."
PERIODS: Final = (7, 30, 90)
USUAL: Final = 30
LONGEST_LIST: Final = 10_000
NO_MEDICINES = "Enter at least two medicines."
LIST_TOO_LONG = "That is %(show_value)d characters. Enter the names of at most 30 medicines, one a line."
TOO_MANY = "That is {count} medicines. Check at most {most} at once."
ONE = "Add a second medicine: there is nothing to compare one with."
NOT_MASKED = "The list could not be checked for patient identifiers, so nothing was kept. Send it again in a minute."
NOTHING_CHECKED = (
    "Interactions cannot be checked at this moment. Use another source, and tell whoever runs ClinChat: no interaction "
    "table passes its self-test."
)
CHOOSE = "Choose a reason."


# ── Checking ───────────────────────────────────────────────────────────────────────────────────────────────────────


class ListField(QuestionField):
    """Several lines; whatever ends a line somewhere ends it here."""

    def to_python(self, value: object) -> str | None:
        return super().to_python(str(value or "").replace("\r\n", "\n").replace("\r", "\n"))


class FilledForm(forms.Form):
    """A list that somebody wants to look at and change before it is checked."""

    medicines = ListField(label="Medicines", max_length=LONGEST_LIST, required=False)


class ListForm(forms.Form):
    """A list to check; `cleaned_data["medicines"]` is it as read."""

    medicines = ListField(
        label="Medicines",
        max_length=LONGEST_LIST,
        error_messages={"required": NO_MEDICINES, "max_length": LIST_TOO_LONG},
    )

    def clean_medicines(self) -> lists.Typed:
        typed = lists.read(self.cleaned_data["medicines"])
        if not typed.entries:
            raise forms.ValidationError(NO_MEDICINES)
        if len(typed.distinct) > MOST_ENTRIES:
            raise forms.ValidationError(TOO_MANY.format(count=len(typed.distinct), most=MOST_ENTRIES))
        return typed


class RespondForm(forms.Form):
    """What the reader of an alert does with it."""

    response = forms.ChoiceField(
        choices=[choice for choice in InteractionAlert.Response.choices if choice[0]],
        error_messages={"required": CHOOSE, "invalid_choice": CHOOSE},
    )
    reason = forms.ChoiceField(
        choices=InteractionAlert.Reason.choices, required=False, error_messages={"invalid_choice": CHOOSE}
    )
    note = NoteField()


# ── Changing the table ─────────────────────────────────────────────────────────────────────────────────────────────


class MedicineField(forms.CharField):
    """One ingredient of the table, by its name, a brand or its id; cleaned it is the id.

    What ClinChat only takes for a misspelled name is not taken here, and a class or a product of several is refused.
    """

    def __init__(self, *, label: str) -> None:
        super().__init__(label=label, max_length=80, error_messages={"required": "Name a medicine."})

    def clean(self, value: Any) -> str:
        text: str = super().clean(value)
        try:
            table = current.current().table
        except current.Unavailable:
            raise forms.ValidationError(NO_TABLE, code="unavailable") from None
        if text.casefold() in table.drugs:
            return text.casefold()
        entry = table.names.entry(text)
        if len(entry.mentions) > 1:
            raise forms.ValidationError("Name one medicine here.")
        if not entry.mentions or entry.mentions[0].kind == Kind.MISSPELLING:
            meant = [table.label(unit) for one in entry.mentions for unit in one.ids] or list(entry.suggestions)
            raise forms.ValidationError(f"ClinChat does not know this medicine.{_meant(meant)}")
        found = entry.mentions[0]
        if found.kind == Kind.CLASS:
            raise forms.ValidationError("This is a class of medicines. Name one medicine of it.")
        if len(found.ids) > 1:
            held = ", ".join(table.drugs[drug].name for drug in found.ids)
            raise forms.ValidationError(f"{found.name} holds several medicines: {held}. Name the one that is meant.")
        return found.ids[0]


def _meant(names: list[str]) -> str:
    return f" Did you mean {' or '.join(names)}?" if names else ""


class _Words(FreeTextField):
    """Clinical words of a pair that the table lacks."""

    def __init__(self, label: str) -> None:
        super().__init__(
            where="local-interaction",
            label=label,
            max_length=LONGEST_WORDS,
            required=False,
            error_messages={"max_length": TOO_LONG},
        )


class ChangeForm(forms.Form):
    """Whether the pair may be changed so is for the service to say."""

    a = MedicineField(label="First medicine")
    b = MedicineField(label="Second medicine")
    severity = forms.ChoiceField(
        label="Severity", choices=SEVERITIES, error_messages={"required": "Choose one.", "invalid_choice": NO_CHOICE}
    )
    mechanism = _Words("Mechanism")
    effect = _Words("Effect")
    management = _Words("What to do")
    source_name = forms.CharField(
        label="Source", max_length=200, error_messages={"required": "Name the source.", "max_length": TOO_LONG}
    )
    source_ref = forms.CharField(
        label="Where in the source",
        max_length=300,
        error_messages={"required": "Say where in the source.", "max_length": TOO_LONG},
    )
    reason = FreeTextField(
        where="local-interaction",
        label="Reason",
        max_length=LONGEST_NOTE,
        error_messages={"required": "Say why.", "max_length": TOO_LONG},
    )
    expires_on = forms.DateField(
        label="Last day in force", error_messages={"required": "Choose a day.", "invalid": NO_DATE}
    )


class DecisionForm(forms.Form):
    """What the second person says. `read`: they have read the warning of a change that has one."""

    decision = forms.ChoiceField(
        label="Decision",
        choices=[("approve", "Approve"), ("refuse", "Refuse")],
        error_messages={"required": "Choose one.", "invalid_choice": NO_CHOICE},
    )
    read = forms.BooleanField(label="I have read this", required=False)


class ApplyForm(forms.Form):
    """`digest` is the SHA-256 of the release that was in use when the report was read; empty for that of the image."""

    digest = forms.CharField(max_length=64, required=False)

    def seen(self) -> str:
        """What is no digest is that of no release."""
        return str(self.cleaned_data["digest"]) if self.is_valid() else "?"


class ImportForm(forms.Form):
    MOST_BYTES = 2 * MEGABYTE

    file = TextFile(label="File")


# ── Figures ────────────────────────────────────────────────────────────────────────────────────────────────────────


class LoadForm(forms.Form):
    """The period and the place that the alert load is told of. What cannot be read counts as the usual."""

    days = forms.ChoiceField(choices=[(str(n), f"{n} days") for n in PERIODS], required=False)
    where = forms.ChoiceField(choices=[("", "Everywhere"), *InteractionCheck.Where.choices], required=False)

    def chosen(self) -> tuple[int, str]:
        """Days and place; 30 days everywhere, unless both were chosen from the lists."""
        if not self.is_valid():
            return USUAL, ""
        return int(self.cleaned_data["days"] or USUAL), self.cleaned_data["where"]
