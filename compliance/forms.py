"""Forms of the sign-in and settings pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import password_validation
from django.core.validators import ProhibitNullCharactersValidator, RegexValidator

from compliance.access.proof import MOST_CHARACTERS
from compliance.models import User

CODE_MISSING = "Enter the 6 digits your authenticator app shows."
RECOVERY_MISSING = "Enter one of your recovery codes, for example abcd-2efg."


def _password(label: str, missing: str) -> forms.CharField:
    """As it was typed: nothing is stripped, changed or cut off."""
    field = forms.CharField(
        label=label,
        strip=False,
        max_length=MOST_CHARACTERS,
        error_messages={"required": missing, "max_length": f"Use at most {MOST_CHARACTERS:,} characters."},
    )
    field.validators = [v for v in field.validators if not isinstance(v, ProhibitNullCharactersValidator)]
    field.validators.append(ProhibitNullCharactersValidator("Use characters that can be typed."))
    return field


def _name(what: str) -> forms.CharField:
    return forms.CharField(
        label="Name",
        max_length=64,
        error_messages={
            "required": f"Enter a name that tells this {what} from your others.",
            "max_length": "Use at most 64 characters.",
        },
    )


class PasswordForm(forms.Form):
    WRONG = "That e-mail and password did not match. Check both and try again."
    status = 200
    """Of the page with this form."""

    email = forms.EmailField(
        label="Work e-mail",
        error_messages={
            "required": "Enter your work e-mail.",
            "invalid": "Enter your full work e-mail, with the part after the @.",
        },
    )
    password = _password("Password", "Enter your password.")


class AgainForm(forms.Form):
    """For a person who is known already."""

    WRONG = "That is not your password. Check it and try again."
    status = 200

    password = _password("Password", "Enter your password.")


class NewPasswordForm(forms.Form):
    """A password chosen twice. Why it is not good enough is said at its field."""

    new = _password("New password", "Enter a new password.")
    repeated = _password("New password again", "Enter the new password a second time.")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.hint = " ".join(filter(None, password_validation.password_validators_help_texts()))

    def clean_new(self) -> str:
        new: str = self.cleaned_data["new"]
        password_validation.validate_password(new, self.user)
        return new

    def clean(self) -> None:
        new, repeated = self.cleaned_data.get("new"), self.cleaned_data.get("repeated")
        if new and repeated and new != repeated:
            self.add_error("repeated", "The two are not the same. Enter both again.")


class ChangePasswordForm(NewPasswordForm):
    current = _password("Current password", "Enter your current password.")

    field_order = ("current", "new", "repeated")


class CodeForm(forms.Form):
    code = forms.CharField(label="6-digit code", max_length=20, error_messages={"required": CODE_MISSING})

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"].replace(" ", "")
        RegexValidator(r"^[0-9]{6}\Z", CODE_MISSING)(code)
        return code


class AppNameForm(forms.Form):
    name = _name("app")


class PasskeyForm(forms.Form):
    name = _name("passkey")


class RecoveryForm(forms.Form):
    code = forms.CharField(label="Recovery code", max_length=20, error_messages={"required": RECOVERY_MISSING})

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"].replace(" ", "").replace("-", "").lower()
        RegexValidator(r"^[a-z2-7]{8}\Z", RECOVERY_MISSING)(code)
        return code


class AppearanceForm(forms.Form):
    """Either choice alone is fine: the theme menu of every page sends only the theme."""

    theme = forms.ChoiceField(choices=User.Theme.choices, required=False)
    shortcuts = forms.ChoiceField(choices=[("on", "On"), ("off", "Off")], required=False)

    def apply_to(self, user: User) -> None:
        if theme := self.cleaned_data["theme"]:
            user.theme = theme
        if shortcuts := self.cleaned_data["shortcuts"]:
            user.shortcuts = shortcuts == "on"
        user.save(update_fields=["theme", "shortcuts"])


class MailsForm(forms.Form):
    """Whether notices that somebody has to act on come by e-mail as well."""

    mails = forms.ChoiceField(choices=[("on", "On"), ("off", "Off")])

    def apply_to(self, user: User) -> None:
        user.mails = self.cleaned_data["mails"] == "on"
        user.save(update_fields=["mails"])
