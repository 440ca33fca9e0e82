"""Forms of the sign-in and settings pages."""

from __future__ import annotations

from django import forms
from django.core.validators import RegexValidator

from compliance.models import User

CODE_MISSING = "Enter the 6 digits your authenticator app shows."
RECOVERY_MISSING = "Enter one of your recovery codes, for example abcd-2efg."


class PasswordForm(forms.Form):
    email = forms.EmailField(
        label="Work e-mail",
        error_messages={
            "required": "Enter your work e-mail.",
            "invalid": "Enter your full work e-mail, with the part after the @.",
        },
    )
    password = forms.CharField(
        label="Password", strip=False, max_length=1000, error_messages={"required": "Enter your password."}
    )


class CodeForm(forms.Form):
    code = forms.CharField(label="6-digit code", max_length=20, error_messages={"required": CODE_MISSING})

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"].replace(" ", "")
        RegexValidator(r"^[0-9]{6}\Z", CODE_MISSING)(code)
        return code


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
