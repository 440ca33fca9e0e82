"""Addresses of training, certificates, policies and requests for access below /api/."""

from __future__ import annotations

from django.urls import path

from training.api import assessments, certificates, learning, oversight, requests

urlpatterns = [
    path("training/modules", learning.modules, name="api-training-modules"),
    path("training/modules/<slug:slug>", learning.module, name="api-training-module"),
    path("training/modules/<slug:slug>/lessons/<slug:key>", learning.lesson, name="api-training-lesson"),
    path("training/modules/<slug:slug>/lessons/<slug:key>/read", learning.read, name="api-training-read"),
    path("training/modules/<slug:slug>/lessons/<slug:key>/check", learning.check, name="api-training-check"),
    path("training/modules/<slug:slug>/attempts", assessments.begin, name="api-training-attempts"),
    path("training/attempts/<uuid:attempt_id>", assessments.attempt, name="api-training-attempt"),
    path("training/attempts/<uuid:attempt_id>/answers/<str:number>", assessments.answer, name="api-training-answer"),
    path("training/attempts/<uuid:attempt_id>/submit", assessments.submit, name="api-training-submit"),
    path("training/transcript", learning.transcript, name="api-training-transcript"),
    path("training/certificates", certificates.own, name="api-certificates"),
    path("training/certificates/verify", certificates.verify, name="api-certificate-verify"),
    path("training/certificates/<uuid:certificate_id>", certificates.certificate, name="api-certificate"),
    path("training/certificates/<uuid:certificate_id>/revoke", certificates.revoke, name="api-certificate-revoke"),
    path("training/policies", certificates.policies, name="api-policies"),
    path("training/policies/<slug:slug>", certificates.policy, name="api-policy"),
    path("training/policies/<slug:slug>/accept", certificates.accept, name="api-policy-accept"),
    path("training/request", requests.own, name="api-access"),
    path("training/request/submit", requests.submit, name="api-access-submit"),
    path("training/request/withdraw", requests.withdraw, name="api-access-withdraw"),
    path("training/request/reapply", requests.reapply, name="api-access-reapply"),
    path("training/requests", requests.requests, name="api-access-requests"),
    path("training/requests/<uuid:request_id>", requests.one, name="api-access-request"),
    path("training/requests/<uuid:request_id>/decision", requests.decision, name="api-access-decision"),
    path("training/people/<uuid:person_id>", oversight.learner, name="api-learner"),
    path("training/people/<uuid:person_id>/unlock", oversight.unlock, name="api-learner-unlock"),
    path("training/people/<uuid:person_id>/accommodation", oversight.accommodation, name="api-learner-time"),
    path("training/people/<uuid:person_id>/evidence", oversight.evidence_of, name="api-evidence"),
    path("training/cohort", oversight.everybody, name="api-cohort"),
    path("training/items", oversight.questions, name="api-items"),
    path("training/items/<slug:key>", oversight.question, name="api-item"),
    path("training/misconceptions", oversight.misconceptions, name="api-misconceptions"),
]
