"""Addresses of the pages of this app."""

from __future__ import annotations

from django.urls import include, path

from training.views import (
    access,
    approvals,
    assessment,
    certificates,
    delegations,
    items,
    learners,
    learning,
    oversight,
)

learning_urls = [
    path("", learning.index, name="training"),
    path("transcript/", learning.transcript, name="transcript"),
    path("verify/", certificates.verify, name="verify"),
    path("verify/key/", certificates.key, name="verify-key"),
    path("verify/revoked/", certificates.revoked, name="verify-revoked"),
    path("verify/program/", certificates.program, name="verify-program"),
    path("verify/<str:token>/", certificates.verify_token, name="verify-token"),
    path("certificates/<uuid:certificate_id>/", certificates.certificate, name="certificate"),
    path("certificates/<uuid:certificate_id>/qr/", certificates.qr, name="certificate-qr"),
    path("certificates/<uuid:certificate_id>/pdf/", certificates.pdf, name="certificate-pdf"),
    path("certificates/<uuid:certificate_id>/revoke/", certificates.revoke, name="certificate-revoke"),
    path("attempts/<uuid:attempt_id>/", assessment.result, name="attempt"),
    path("attempts/<uuid:attempt_id>/review/", assessment.review, name="attempt-review"),
    path("attempts/<uuid:attempt_id>/<str:number>/", assessment.question, name="question"),
    path("<slug:slug>/", learning.module, name="training-module"),
    path("<slug:slug>/card/", learning.card, name="training-card"),
    path("<slug:slug>/assessment/", assessment.assessment, name="assessment"),
    path("<slug:slug>/pictures/<str:name>", learning.picture, name="training-picture"),
    path("<slug:slug>/<slug:lesson>/", learning.lesson, name="lesson"),
    path("<slug:slug>/<slug:lesson>/read/", learning.read, name="lesson-read"),
]
access_urls = [
    path("", access.page, name="access"),
    path("submit/", access.submit, name="access-submit"),
    path("withdraw/", access.withdraw, name="access-withdraw"),
    path("again/", access.reapply, name="access-again"),
    path("policies/", access.policy_list, name="policies"),
    path("policies/<slug:slug>/", access.policy, name="policy"),
]
approval_urls = [
    path("", approvals.index, name="approvals"),
    path("approve/", approvals.bulk, name="approvals-bulk"),
    path("delegations/", delegations.page, name="delegations"),
    path("delegations/give/", delegations.give, name="delegation-give"),
    path("delegations/<uuid:delegation_id>/end/", delegations.end, name="delegation-end"),
    path("<uuid:request_id>/", approvals.one, name="approval"),
    path("<uuid:request_id>/decide/", approvals.decide, name="approval-decide"),
]
oversight_urls = [
    path("people/<uuid:person_id>/learning/", learners.learner, name="learner"),
    path("people/<uuid:person_id>/learning/unlock/", learners.unlock, name="learner-unlock"),
    path("people/<uuid:person_id>/learning/time/", learners.accommodation, name="learner-time"),
    path("", oversight.dashboard, name="cohort"),
    path("evidence.csv", oversight.everybody_csv, name="evidence-all"),
    path("people/<uuid:person_id>/", oversight.person, name="evidence"),
    path("people/<uuid:person_id>/evidence.csv", oversight.person_csv, name="evidence-csv"),
    path("people/<uuid:person_id>/evidence.pdf", oversight.person_pdf, name="evidence-pdf"),
    path("items/", items.listing, name="items"),
    path("items/misconceptions/", items.misconceptions, name="misconceptions"),
    path("items/<slug:key>/", items.one, name="item"),
]
urlpatterns = [
    path("training/", include(learning_urls)),
    path("access/", include(access_urls)),
    path("compliance/approvals/", include(approval_urls)),
    path("compliance/training/", include(oversight_urls)),
]
