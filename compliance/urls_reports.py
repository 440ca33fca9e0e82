"""Addresses of monthly reports and the auditor's bundle, below /compliance/reports/."""

from __future__ import annotations

from django.urls import path

from compliance.views import reports

urlpatterns = [
    path("", reports.index, name="reports"),
    path("make/", reports.make, name="reports-make"),
    path("bundle/", reports.bundle, name="reports-bundle"),
    path("<uuid:report_id>/", reports.report, name="report"),
    path("<uuid:report_id>/pdf/", reports.pdf, name="report-pdf"),
    path("<uuid:report_id>/json/", reports.as_json, name="report-json"),
]
