"""Addresses of the pages of this app."""

from __future__ import annotations

from datetime import date

from django.urls import include, path, register_converter

from compliance.views import audit, audit_retention, public, settings, signin


class DayConverter:
    """A date of this century that exists, as 2026-11-21; anything else is no address of ours."""

    regex = r"20[0-9]{2}-[0-9]{2}-[0-9]{2}"

    def to_python(self, value: str) -> date:
        return date.fromisoformat(value)

    def to_url(self, value: date) -> str:
        return value.isoformat()


register_converter(DayConverter, "day")

audit_urls = [
    path("", audit.search, name="audit"),
    path("patient/", audit.patient, name="audit-patient"),
    path("export/", audit.export, name="audit-export"),
    path("verify/", audit.verify, name="audit-verify"),
    path("people/<uuid:person_id>/<day:on>/", audit.day, name="audit-day"),
    path("retention/", audit_retention.page, name="audit-retention"),
    path("retention/ask/", audit_retention.ask, name="audit-retention-ask"),
    path("retention/<uuid:purge_id>/approve/", audit_retention.approve, name="audit-retention-approve"),
    path("retention/<uuid:purge_id>/cancel/", audit_retention.cancel, name="audit-retention-cancel"),
    path("<uuid:event_id>/", audit.event, name="audit-event"),
]
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
    path("compliance/audit/", include(audit_urls)),
    path("status/", public.status, name="status"),
    path("csp/", public.csp_report, name="csp-report"),
]
