"""What people send while they learn, and who supervises them."""

from __future__ import annotations

from django import forms

from compliance.free_text import FreeTextField
from training import attempts, refusals
from training.certificates import LONGEST_TOKEN
from training.models import Accommodation
from training.models.approvals import LONGEST_REASON

LARGEST = 2**31 - 1


class ReadForm(forms.Form):
    """The version of the module whose lesson was open."""

    version = forms.UUIDField()


class SaveForm(forms.Form):
    """`revision` of the answer the form was made from; the answer itself is read by training.bank.answers."""

    revision = forms.IntegerField(min_value=0, max_value=LARGEST)


class SubmitForm(forms.Form):
    attested = forms.BooleanField(
        label="These answers are my own",
        error_messages={"required": refusals.WORDS[attempts.NotAttested]},
    )


class UnlockForm(forms.Form):
    enrolment = forms.UUIDField(
        label="Module", error_messages={"required": "Choose a module.", "invalid": "Choose a module."}
    )
    reason = FreeTextField(
        where="training-unlock",
        label="Reason",
        max_length=LONGEST_REASON,
        error_messages={
            "required": "Say why another attempt is right, and what you agreed on.",
            "max_length": f"Shorten it to {LONGEST_REASON} characters.",
        },
    )


class AccommodationForm(forms.Form):
    END = "end"
    more = forms.ChoiceField(
        label="Time",
        choices=[*Accommodation.More.choices, (END, "The usual time")],
        error_messages={"required": "Choose one.", "invalid_choice": "Choose one of these."},
    )


class RevokeForm(forms.Form):
    reason = FreeTextField(
        where="training-certificate",
        label="Reason",
        max_length=LONGEST_REASON,
        error_messages={"required": "Say why.", "max_length": f"Shorten it to {LONGEST_REASON} characters."},
    )


class VerifyForm(forms.Form):
    token = forms.CharField(
        label="Certificate",
        max_length=2 * LONGEST_TOKEN,
        error_messages={"required": "Paste the text of a certificate, or the address its code opens."},
    )

    def clean_token(self) -> str:
        """The token alone, also out of a whole address or text that was broken into lines."""
        text: str = "".join(self.cleaned_data["token"].split())
        return text.rstrip("/").rpartition("/")[2]
