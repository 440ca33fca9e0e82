"""Addresses of the pages of this app."""

from __future__ import annotations

from django.urls import path

from compliance.views import public, settings, signin

urlpatterns = [
    path("signin/", signin.password, name="signin"),
    path("signin/code/", signin.code, name="signin-code"),
    path("signin/recovery/", signin.recovery, name="signin-recovery"),
    path("signin/setup/", signin.setup, name="signin-setup"),
    path("signin/setup/qr.svg", signin.setup_qr, name="signin-setup-qr"),
    path("signout/", signin.signout, name="signout"),
    path("settings/", settings.settings, name="settings"),
    path("settings/appearance/", settings.appearance, name="settings-appearance"),
    path("settings/recovery-codes/", settings.recovery_codes, name="settings-recovery-codes"),
    path("status/", public.status, name="status"),
    path("csp/", public.csp_report, name="csp-report"),
]
