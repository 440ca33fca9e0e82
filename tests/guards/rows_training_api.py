"""What each address of training and feedback below /api/ leaves in the audit trail; see test_event_matrix."""

from __future__ import annotations

from tests.guards.rows import PUBLIC, READ, Row

ROWS: dict[str, Row] = {
    "api-training-modules": Row(),
    "api-training-module": Row(arguments={"slug": "nothing"}),
    "api-training-lesson": Row(arguments={"slug": "nothing", "key": "nothing"}),
    "api-training-read": Row(arguments={"slug": "nothing", "key": "nothing"}),
    "api-training-check": Row(arguments={"slug": "nothing", "key": "nothing"}),
    "api-training-attempts": Row(arguments={"slug": "nothing"}),
    "api-training-attempt": Row(leaves=(("authz_fail", "R"),), arguments={"attempt_id": "nothing"}),
    "api-training-answer": Row(arguments={"attempt_id": "nothing", "number": "nothing"}),
    "api-training-submit": Row(arguments={"attempt_id": "nothing"}),
    "api-training-transcript": Row(),
    "api-certificates": Row(),
    "api-certificate-verify": PUBLIC,
    "api-certificate": Row(leaves=(("authz_fail", "R"),), arguments={"certificate_id": "nothing"}),
    "api-certificate-revoke": Row(arguments={"certificate_id": "nothing"}),
    "api-policies": Row(),
    "api-policy": Row(arguments={"slug": "nothing"}),
    "api-policy-accept": Row(arguments={"slug": "nothing"}),
    "api-access": Row(),
    "api-access-submit": Row(),
    "api-access-withdraw": Row(),
    "api-access-reapply": Row(),
    "api-access-requests": Row(leaves=(READ,)),
    "api-access-request": Row(leaves=(("authz_fail", "R"),), arguments={"request_id": "nothing"}),
    "api-access-decision": Row(arguments={"request_id": "nothing"}),
    "api-learner": Row(leaves=(READ,), arguments={"person_id": "person"}),
    "api-learner-unlock": Row(arguments={"person_id": "person"}),
    "api-learner-time": Row(arguments={"person_id": "person"}),
    "api-evidence": Row(leaves=(READ,), arguments={"person_id": "person"}),
    "api-cohort": Row(leaves=(READ,)),
    "api-items": Row(leaves=(READ,)),
    "api-item": Row(arguments={"key": "nothing"}),
    "api-misconceptions": Row(leaves=(READ,)),
    "api-feedback": Row(),
    "api-remark": Row(leaves=(("authz_fail", "R"),), arguments={"remark_id": "nothing"}),
    "api-remark-reply": Row(arguments={"remark_id": "nothing"}),
}
