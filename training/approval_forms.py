"""What people send to decide on requests for access, to delegate that, and to find requests."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django import forms
from django.core import signing
from django.db.models import Q, QuerySet
from django.http import QueryDict

from clinchat.lib import clock
from compliance.free_text import FreeTextField
from compliance.models import User
from training.approvals import deciding, waiting
from training.approvals.delegations import LONGEST_DAYS
from training.models import AccessRequest
from training.models.approvals import APPROVALS, LONGEST_REASON, NAMES, OWN, WAITING, Stage, Step

NO_CHOICE: Final = "That is not one of the choices."
NO_DATE: Final = "Enter a date, such as 2027-05-21."
SAY_WHY: Final = "Say why."
TOO_LONG: Final = f"Use at most {LONGEST_REASON} characters."
OLD_PAGE: Final = "The page is too old. Open it again and read what is there now."
DAYS: Final = f"Enter 1 to {LONGEST_DAYS} days."
NOTHING_TICKED: Final = "Tick at least one request. Nothing was approved."
TOO_MANY: Final = f"Tick at most {deciding.MOST_AT_ONCE} requests. Nothing was approved."
OLDEST: Final = 12 * 3600
"""Seconds a page may have been open: as long as a session lasts at most."""
_SALT: Final = "training.approvals.opened"


def opened(request: AccessRequest | None = None) -> str:
    """Signed, for a form: that its page was opened now, and of which revision of the request."""
    revision = None if request is None else [str(request.pk), request.revision]
    return signing.dumps({"at": clock.now().timestamp(), "of": revision}, salt=_SALT)


class OpenedField(forms.CharField):
    """What `opened` made; its cleaned value is how many seconds ago, and of which request and revision."""

    def clean(self, value: Any) -> tuple[int, tuple[str, int] | None]:
        try:
            said = signing.loads(super().clean(value), salt=_SALT, max_age=OLDEST)
        except signing.BadSignature:
            raise forms.ValidationError(OLD_PAGE) from None
        seconds = clock.now() - datetime.fromtimestamp(said["at"], clock.now().tzinfo)
        return max(0, int(seconds.total_seconds())), tuple(said["of"]) if said["of"] else None


class OwnForm(forms.Form):
    """Which state of their request the applicant looked at."""

    revision = forms.IntegerField(min_value=0)


class AcceptForm(forms.Form):
    """Which version of a policy was read."""

    version = forms.UUIDField()


class LicenseForm(forms.Form):
    """What the identity check found, and a renewal when access is confirmed."""

    license_kind = FreeTextField(where="access-license", label="Kind of license", max_length=60, required=False)
    license_state = FreeTextField(where="access-license", label="Issued by", max_length=60, required=False)
    license_until = forms.DateField(
        label="Last day it is valid",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        error_messages={"invalid": NO_DATE},
    )

    def license_found(self) -> deciding.License | None:
        """What was entered about the license; None when nothing was, or nothing was asked."""
        kind, issuer, until = (self.cleaned_data.get(f"license_{name}") for name in ("kind", "state", "until"))
        return deciding.License(kind or "", issuer or "", until) if kind or issuer or until else None


class DecideForm(LicenseForm):
    """One decision about one request."""

    step = forms.ChoiceField(
        choices=[(step.value, step.label) for step in Step if step not in OWN],
        error_messages={"required": NO_CHOICE, "invalid_choice": NO_CHOICE},
    )
    opened = OpenedField(max_length=400, error_messages={"required": OLD_PAGE})
    delegation = forms.UUIDField(required=False)
    reason = FreeTextField(
        where="access-decision",
        label="Reason",
        max_length=LONGEST_REASON,
        required=False,
        error_messages={"max_length": TOO_LONG},
    )

    def clean(self) -> None:
        """What is wrong with a field that nobody sees is said above the form."""
        for name in ("step", "opened", "delegation"):
            for words in self.errors.get(name, ()):
                self.add_error(None, words)


class BulkForm(forms.Form):
    """Requests of the list that are approved together, each with its own tick and the revision it was shown in."""

    opened = OpenedField(max_length=400, error_messages={"required": OLD_PAGE})
    row = forms.MultipleChoiceField(error_messages={"required": NOTHING_TICKED, "invalid_choice": NO_CHOICE})

    def __init__(self, data: QueryDict, *, shown: QuerySet[AccessRequest]) -> None:
        super().__init__(data)
        sent = {value.partition(":")[0]: value for value in data.getlist("row")}
        self.choices: dict[str, deciding.Choice] = {}
        for pk in shown.values_list("pk", flat=True):
            name, _, revision = sent.get(str(pk), "").partition(":")
            if name and revision.isdecimal():
                self.choices[sent[name]] = deciding.Choice(pk, int(revision[:9]))
        field = self.fields["row"]
        assert isinstance(field, forms.MultipleChoiceField)  # noqa: S101  # narrows the type
        field.choices = [(one, one) for one in self.choices]

    def clean_row(self) -> list[deciding.Choice]:
        chosen = [self.choices[one] for one in self.cleaned_data["row"]]
        if len(chosen) > deciding.MOST_AT_ONCE:
            raise forms.ValidationError(TOO_MANY)
        return chosen


class DelegationForm(forms.Form):
    """For whom somebody else decides, in which stage, and for how long."""

    step = forms.ChoiceField(
        label="What they do for you", error_messages={"required": "Choose what they do.", "invalid_choice": NO_CHOICE}
    )
    delegate = forms.ModelChoiceField(
        User.objects.none(),
        label="Who decides for you",
        error_messages={"required": "Choose a person.", "invalid_choice": NO_CHOICE},
    )
    days = forms.IntegerField(
        label="Days",
        min_value=1,
        max_value=LONGEST_DAYS,
        error_messages=dict.fromkeys(("required", "invalid", "min_value", "max_value"), DAYS),
    )
    reason = FreeTextField(
        where="access-delegation",
        label="Reason",
        max_length=LONGEST_REASON,
        error_messages={"required": SAY_WHY, "max_length": TOO_LONG},
    )

    def __init__(self, *args: Any, steps: list[Step], people: list[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.delegates = [(str(one.pk), ", ".join(filter(None, (str(one), one.department)))) for one in people]
        step, delegate = self.fields["step"], self.fields["delegate"]
        assert isinstance(step, forms.ChoiceField)  # noqa: S101  # narrows the type
        assert isinstance(delegate, forms.ModelChoiceField)  # noqa: S101  # narrows the type
        step.choices = [(one.value, NAMES[one].capitalize()) for one in steps]
        delegate.queryset = User.objects.filter(pk__in=[one.pk for one in people])


class FindForm(forms.Form):
    """Conditions of the list of requests; all may be left out."""

    q = forms.CharField(required=False, max_length=100)
    stage = forms.ChoiceField(
        required=False,
        choices=[("waiting", "Waits for somebody"), *Stage.choices],
        error_messages={"invalid_choice": NO_CHOICE},
    )
    department = forms.CharField(required=False, max_length=100)
    mine = forms.BooleanField(required=False)

    def find(self, requests: QuerySet[AccessRequest], viewer: User) -> QuerySet[AccessRequest]:
        """Those of `requests` that fulfil every condition; none when a condition makes no sense."""
        if not self.is_valid():
            return requests.none()
        asked: dict[str, Any] = self.cleaned_data
        for word in asked["q"].split():
            requests = requests.filter(Q(person__name__icontains=word) | Q(person__email__icontains=word))
        if asked["stage"] == "waiting":
            requests = requests.filter(stage__in=WAITING)
        elif asked["stage"]:
            requests = requests.filter(stage=asked["stage"])
        if asked["department"]:
            requests = requests.filter(person__department=asked["department"])
        if asked["mine"]:
            requests = requests.filter(pk__in=waiting.for_viewer(viewer).values("pk"))
        return requests


BULK: Final = tuple(step for step in APPROVALS if step != Step.IDENTITY)
"""What can be approved from the list: an identity check needs its license."""
