"""Addresses of the compliance overview and of the controls."""

from __future__ import annotations

from django.urls import path, register_converter

from compliance.views import controls


class ControlConverter:
    """An id as the catalogue has them: ADM-01."""

    regex = r"[A-Z][A-Z0-9]{1,3}-[0-9]{2}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class CheckConverter(ControlConverter):
    """A key as the catalogue has them: audit.grants."""

    regex = r"[a-z0-9]+\.[a-z0-9_]+"


register_converter(ControlConverter, "control")
register_converter(CheckConverter, "check")

urlpatterns = [
    path("", controls.dashboard, name="compliance"),
    path("run/", controls.run_all, name="controls-run"),
    path("controls/<control:control_id>/", controls.control, name="control"),
    path("controls/<control:control_id>/run/", controls.run_one, name="control-run"),
    path("controls/<control:control_id>/<check:check_key>/", controls.history, name="check-history"),
    path("controls/<control:control_id>/sign/", controls.sign, name="control-sign"),
    path("controls/<control:control_id>/except/", controls.ask_exception, name="control-except"),
    path("attestations/<uuid:attestation_id>/withdraw/", controls.withdraw, name="attestation-withdraw"),
    path("attestations/<uuid:attestation_id>/document/", controls.document, name="attestation-document"),
    path("exceptions/<uuid:exception_id>/approve/", controls.approve, name="exception-approve"),
    path("exceptions/<uuid:exception_id>/refuse/", controls.refuse, name="exception-refuse"),
    path("exceptions/<uuid:exception_id>/end/", controls.end, name="exception-end"),
]
