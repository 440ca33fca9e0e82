"""Addresses of the registers, all below /compliance/."""

from __future__ import annotations

from django.urls import include, path

from compliance.views import (
    registers_assets,
    registers_exercises,
    registers_officials,
    registers_patients,
    registers_policies,
    registers_reviews,
    registers_risks,
    registers_vendors,
)

risk_urls = [
    path("", registers_risks.page, name="risks"),
    path("new/", registers_risks.new, name="risk-new"),
    path("approve/", registers_risks.approve, name="risks-approve"),
    path("versions/<uuid:version_id>/", registers_risks.version, name="risk-version"),
    path("<uuid:risk_id>/", registers_risks.one, name="risk"),
    path("<uuid:risk_id>/edit/", registers_risks.edit, name="risk-edit"),
    path("<uuid:risk_id>/defer/", registers_risks.defer, name="risk-defer"),
]
asset_urls = [
    path("", registers_assets.page, name="assets"),
    path("new/", registers_assets.new, name="asset-new"),
    path("declare/", registers_assets.declare, name="asset-declare"),
    path("<uuid:asset_id>/edit/", registers_assets.edit, name="asset-edit"),
    path("<uuid:asset_id>/retire/", registers_assets.retire, name="asset-retire"),
]
vendor_urls = [
    path("", registers_vendors.page, name="vendors"),
    path("new/", registers_vendors.new, name="vendor-new"),
    path("<uuid:vendor_id>/", registers_vendors.one, name="vendor"),
    path("<uuid:vendor_id>/edit/", registers_vendors.edit, name="vendor-edit"),
    path("<uuid:vendor_id>/agreement/", registers_vendors.agreement, name="vendor-agreement"),
    path("<uuid:vendor_id>/end/", registers_vendors.end, name="vendor-end"),
]
official_urls = [
    path("", registers_officials.page, name="officials"),
    path("name/", registers_officials.name, name="official-name"),
    path("<uuid:official_id>/relieve/", registers_officials.relieve, name="official-relieve"),
]
exercise_urls = [
    path("", registers_exercises.page, name="exercises"),
    path("new/", registers_exercises.new, name="exercise-new"),
    path("<uuid:exercise_id>/follow-up/", registers_exercises.follow_up, name="exercise-follow-up"),
]
review_urls = [
    path("", registers_reviews.page, name="audit-reviews"),
    path("<day:week>/", registers_reviews.one, name="audit-review"),
    path("<day:week>/sign/", registers_reviews.sign, name="audit-review-sign"),
]
policy_urls = [
    path("", registers_policies.page, name="compliance-policies"),
    path("<uuid:policy_id>/", registers_policies.version, name="compliance-policy"),
]
disclosure_urls = [
    path("", registers_patients.page, name="disclosures"),
    path("new/", registers_patients.new, name="disclosure-new"),
    path("patient/", registers_patients.patient, name="disclosures-patient"),
    path("export/", registers_patients.export, name="disclosures-export"),
]
amendment_urls = [
    path("", registers_patients.asked, name="amendments"),
    path("new/", registers_patients.ask_amendment, name="amendment-new"),
    path("<uuid:amendment_id>/", registers_patients.one, name="amendment"),
]
urlpatterns = [
    path("risks/", include(risk_urls)),
    path("assets/", include(asset_urls)),
    path("vendors/", include(vendor_urls)),
    path("officials/", include(official_urls)),
    path("exercises/", include(exercise_urls)),
    path("reviews/", include(review_urls)),
    path("policies/", include(policy_urls)),
    path("disclosures/", include(disclosure_urls)),
    path("amendments/", include(amendment_urls)),
]
