"""What people send to keep the registers. Prose is masked; names of companies, hosts and places are kept as typed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.db.models import Q

from compliance.free_text import FreeTextField
from compliance.models import Amendment, Asset, Exercise, Official, Risk, User
from compliance.registers import amendments, exercises, patients, vendors

NO_CHOICE: Final = "That is not one of the choices."
NO_DATE: Final = "Enter a date, such as 2027-05-21."
NO_TEXT: Final = "Enter it in at most %(limit_value)d characters."
TOO_LONG: Final = "Shorten it to %(limit_value)d characters."
SCALE: Final = [(1, "1 = very low"), (2, "2 = low"), (3, "3 = medium"), (4, "4 = high"), (5, "5 = very high")]
_HOST: Final = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"
)
_ADDRESS: Final = r"^[\w.:/@\[\]+-]+\Z"


class _DayInput(forms.DateInput):
    input_type = "date"


class DayField(forms.DateField):
    """One day, in the field that browsers have for it."""

    widget = _DayInput

    def __init__(self, **options: Any) -> None:
        errors = {"required": NO_DATE, "invalid": NO_DATE}
        super().__init__(error_messages=errors, **options)


def _prose(where: str, label: str, longest: int, **options: Any) -> FreeTextField:
    """Prose in one line, or with `lines` in several."""
    widget = forms.Textarea if options.get("lines") else forms.TextInput
    errors = {"required": f"Enter {options.pop('missing', 'it')}.", "max_length": TOO_LONG}
    return FreeTextField(where=where, label=label, max_length=longest, error_messages=errors, widget=widget, **options)


def _choice(label: str, choices: Any, **options: Any) -> forms.ChoiceField:
    errors = {"required": "Choose one.", "invalid_choice": NO_CHOICE}
    return forms.ChoiceField(label=label, choices=choices, error_messages=errors, **options)


def _scale(label: str, hint: str) -> forms.TypedChoiceField:
    errors = {"required": "Choose one.", "invalid_choice": NO_CHOICE}
    return forms.TypedChoiceField(label=label, coerce=int, choices=SCALE, help_text=hint, error_messages=errors)


if TYPE_CHECKING:
    _OfPeople = forms.ModelChoiceField[User]
    _OfAssets = forms.ModelMultipleChoiceField[Asset]
else:
    _OfPeople, _OfAssets = forms.ModelChoiceField, forms.ModelMultipleChoiceField


class AssetsField(_OfAssets):
    """Assets by name and address: several may have one name."""

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.name} ({obj.address})"


class PersonField(_OfPeople):
    """Somebody with an open account; whoever has it now can be chosen though theirs is closed."""

    def __init__(self, label: str, **options: Any) -> None:
        errors = {"required": "Choose somebody.", "invalid_choice": "Choose somebody whose account is open."}
        super().__init__(
            User.objects.none(), label=label, empty_label="Choose somebody", error_messages=errors, **options
        )

    def offer(self, **conditions: Any) -> None:
        self.queryset = User.objects.filter(is_active=True, is_service=False, **conditions).distinct().order_by("name")

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.name} ({obj.department or obj.email})"


# ── Risks and assets ───────────────────────────────────────────────────────────────────────────────────────────


class RiskForm(forms.Form):
    title = _prose("risk", "Title", 150, missing="a title")
    threat = _prose(
        "risk", "Threat", 500, lines=True, missing="it", help_text="What could happen, and through which weakness."
    )
    likelihood = _scale("Likelihood", "Within a year, as things are now.")
    impact = _scale("Impact", "On confidentiality, integrity and availability of ePHI.")
    treatment = _prose("risk", "Treatment", 500, lines=True, help_text="What is done about it, or why it is accepted.")
    status = _choice("Status", Risk.Status.choices, initial=Risk.Status.OPEN)
    owner = PersonField("Owner")
    due = DayField(label="Treated by", required=False, help_text="Needed while it is being treated.")
    assets = AssetsField(
        Asset.objects.none(),
        label="Assets",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": NO_CHOICE, "invalid_pk_value": NO_CHOICE},
        help_text="Each asset that holds ePHI needs a risk.",
    )

    def __init__(self, *args: Any, risk: Risk | None = None, **options: Any) -> None:
        if risk is not None:
            fields = ("title", "threat", "likelihood", "impact", "treatment", "status", "owner", "due")
            options["initial"] = {name: getattr(risk, name) for name in fields}
            options["initial"] |= {"owner": risk.owner_id, "assets": [asset.pk for asset in risk.assets.all()]}
        super().__init__(*args, **options)
        owner, assets = self.fields["owner"], self.fields["assets"]
        assert isinstance(owner, PersonField)  # noqa: S101  # narrows the type
        owner.offer()
        assert isinstance(assets, AssetsField)  # noqa: S101  # narrows the type
        if risk is not None:
            owner.queryset = User.objects.filter(Q(pk__in=owner.queryset) | Q(pk=risk.owner_id)).order_by("name")
            assets.queryset = Asset.objects.filter(Q(retired_at=None) | Q(risks=risk)).distinct()
        else:
            assets.queryset = Asset.objects.in_use()

    def clean_status(self) -> Risk.Status:
        return Risk.Status(self.cleaned_data["status"])


class DeferForm(forms.Form):
    due = DayField(label="New date")


class FindRisksForm(forms.Form):
    """Conditions of the register; all may be left out, and one that makes no sense is."""

    RATINGS = (("critical", "Critical"), ("high", "High"), ("medium", "Medium"), ("low", "Low"))

    status = forms.ChoiceField(required=False, choices=[*Risk.Status.choices, ("overdue", "Past its date")])
    show = forms.ChoiceField(required=False, choices=RATINGS)

    def asked(self) -> dict[str, str]:
        self.is_valid()
        return {name: self.cleaned_data.get(name, "") for name in ("status", "show")}


class AssetForm(forms.Form):
    name = _prose("asset", "Name", 120, missing="a name")
    kind = _choice("Kind", Asset.Kind.choices)
    address = forms.RegexField(
        _ADDRESS,
        label="Address",
        max_length=200,
        help_text="As it is found running: host:port, a socket (unix:/path), a folder.",
        error_messages={
            "required": "Enter the address.",
            "invalid": "Use letters, digits and . : / @ [ ] + - only, such as db.internal:5432.",
            "max_length": TOO_LONG,
        },
    )
    ephi = forms.BooleanField(label="Stores or transmits ePHI", required=False)
    purpose = _prose("asset", "Purpose", 300, lines=True, missing="what it is for")

    def clean_kind(self) -> Asset.Kind:
        return Asset.Kind(self.cleaned_data["kind"])


class DeclareForm(forms.Form):
    """What was found running, named as it was found; whether it is there is for the service to say."""

    kind = _choice("Kind", Asset.Kind.choices)
    address = forms.CharField(max_length=200)


# ── Vendors, officials, exercises, reviews ─────────────────────────────────────────────────────────────────────


class HostsField(forms.CharField):
    """Names of hosts, one a line; cleaned to a list."""

    widget = forms.Textarea

    def clean(self, value: Any) -> Any:
        hosts = super().clean(value).lower().split()
        if len(hosts) > 50 or not all(_HOST.fullmatch(host) for host in hosts):
            raise forms.ValidationError("Enter names of hosts, one a line, such as api.example.com. At most 50.")
        return hosts


class VendorForm(forms.Form):
    name = forms.CharField(
        label="Name of the company",
        max_length=120,
        error_messages={"required": "Enter the name of the company.", "max_length": TOO_LONG},
    )
    service = _prose("vendor", "Service", 200, missing="what it does for this hospital")
    hosts = HostsField(label="Hosts", required=False, max_length=5_000, help_text="Names of its hosts, one a line.")
    receives_phi = forms.BooleanField(label="Receives PHI", required=False, initial=True)


class DocumentField(forms.Field):
    """One file, of which a digest is kept."""

    widget = forms.FileInput

    def clean(self, value: Any) -> Any:
        if not value or not value.size:
            raise forms.ValidationError("Choose the signed document.", code="required")
        if value.size > vendors.LARGEST:
            raise forms.ValidationError(f"The file is larger than {vendors.LARGEST // 1_000_000} MB.")
        return value


class AgreementForm(forms.Form):
    signed_on = DayField(label="Signed on")
    expires_on = DayField(label="Ends on")
    verified_on = DayField(
        label="Safeguards confirmed on",
        required=False,
        help_text="When the vendor last confirmed its technical safeguards in writing.",
    )
    document_name = _prose("agreement", "Name of the document", 150, missing="its name")
    document = DocumentField(
        label="Signed document",
        help_text="Only its SHA-256 is kept, not the file. Keep the file where contracts are kept.",
    )


class OfficialForm(forms.Form):
    office = _choice("Office", Official.Office.choices)
    deputy = _choice("As", [("", "Official"), ("deputy", "Deputy")], required=False)
    person = PersonField("Person")

    def __init__(self, *args: Any, roles: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        person = self.fields["person"]
        assert isinstance(person, PersonField)  # noqa: S101  # narrows the type
        person.offer(role_assignments__role__in=roles)

    def clean_office(self) -> Official.Office:
        return Official.Office(self.cleaned_data["office"])

    def clean_deputy(self) -> bool:
        return bool(self.cleaned_data["deputy"])


class ExerciseForm(forms.Form):
    kind = _choice("Kind", Exercise.Kind.choices)
    held_on = DayField(label="Held on")
    scenario = _prose("exercise", "Scenario", 300, lines=True, missing="what was played")
    losses = forms.MultipleChoiceField(
        label="What was lost in it",
        choices=list(exercises.LOSSES.items()),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="A whole game day loses all four.",
        error_messages={"invalid_choice": NO_CHOICE},
    )
    lessons = _prose("exercise", "Lessons", 1000, lines=True, required=False)
    open_actions = forms.IntegerField(
        label="Actions still open",
        min_value=0,
        max_value=999,
        initial=0,
        error_messages={"required": "Enter a number.", "invalid": "Enter a whole number."},
    )

    def clean_kind(self) -> Exercise.Kind:
        return Exercise.Kind(self.cleaned_data["kind"])


class FollowUpForm(forms.Form):
    open_actions = forms.IntegerField(
        label="Actions still open",
        min_value=0,
        max_value=999,
        initial=0,
        error_messages={"required": "Enter a number.", "invalid": "Enter a whole number."},
    )
    lessons = _prose("exercise", "What was done since", 1000, lines=True, missing="what was done")


class ReviewForm(forms.Form):
    conclusion = _prose(
        "audit-review",
        "Conclusion",
        1000,
        lines=True,
        missing="what you looked at and what you found",
        help_text="What you looked at, what stood out, and what is done about it. Leave out patient identifiers.",
    )


# ── Disclosures and amendments ─────────────────────────────────────────────────────────────────────────────────


def _record_number() -> forms.CharField:
    wrong = f"Enter the record number as it is on the chart, at most {patients.LONGEST} characters."
    return forms.CharField(
        label="Record number",
        max_length=patients.LONGEST,
        help_text="As it is on the chart. It is turned into the pseudonym of the audit trail and is kept nowhere.",
        error_messages={"required": wrong, "max_length": wrong},
    )


class DisclosureForm(forms.Form):
    record_number = _record_number()
    disclosed_on = DayField(label="Disclosed on")
    recipient = forms.CharField(
        label="Recipient",
        max_length=200,
        help_text="Who received it, with the address if it is known. 45 CFR 164.528 asks for the name.",
        error_messages={"required": "Enter who received it.", "max_length": TOO_LONG},
    )
    what = _prose("disclosure", "What", 300, lines=True, help_text="What was disclosed, in brief. No identifiers.")
    why = _prose("disclosure", "Why", 300, lines=True, help_text="The purpose, or the request it rests on.")


class PatientForm(forms.Form):
    """To find what is kept about a patient."""

    record_number = _record_number()


class ExportForm(forms.Form):
    patient = forms.RegexField(patients.PSEUDONYM, max_length=20)


class AmendmentForm(forms.Form):
    record_number = _record_number()
    kind = _choice("Kind of record", list(amendments.KINDS.items()))
    record_id = forms.UUIDField(
        label="Id of the record",
        help_text="From its address, or from an event of the audit trail: 36 characters.",
        error_messages={"required": "Enter the id.", "invalid": "That is not an id, which has 36 characters."},
    )
    asked_on = DayField(label="Asked on")


class AnswerForm(forms.Form):
    decision = _choice("Decision", Amendment.Decision.choices)
    answered_on = DayField(label="Answered on")
    statement = _prose(
        "amendment",
        "The patient's statement",
        1000,
        lines=True,
        required=False,
        help_text="Where it is denied and the patient disagrees. It stays with the record.",
    )

    def clean_decision(self) -> Amendment.Decision:
        return Amendment.Decision(self.cleaned_data["decision"])
