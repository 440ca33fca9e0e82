"""What each address of training and approvals leaves in the audit trail; see test_event_matrix."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from clinchat.lib import clock
from compliance.models import PolicyVersion, Remark, User
from tests import cast
from tests.guards.rows import HANDED_OUT, PUBLIC, READ, Row
from tests.training import making_learning
from training.models import AccessRequest, Delegation

MODULE = {"slug": "module"}
LESSON = {"slug": "module", "lesson": "lesson"}
ATTEMPT = {"attempt_id": "attempt"}
NO_CERTIFICATE = {"certificate_id": "nothing"}
ROWS: dict[str, Row] = {
    # Learning
    "training": Row(),
    "transcript": Row(),
    "verify": PUBLIC,
    "verify-key": PUBLIC,
    "verify-revoked": PUBLIC,
    "verify-program": PUBLIC,
    "verify-token": Row(arguments={"token": "nothing"}),
    "certificate": Row(leaves=(("authz_fail", "R"),), arguments=NO_CERTIFICATE),
    "certificate-qr": Row(leaves=(("authz_fail", "R"),), arguments=NO_CERTIFICATE),
    "certificate-pdf": Row(leaves=(("authz_fail", "R"),), arguments=NO_CERTIFICATE),
    "certificate-revoke": Row(leaves=(("authz_fail", "R"),), post={"reason": "Why"}, arguments=NO_CERTIFICATE),
    "attempt": Row(own="alice", arguments=ATTEMPT),
    "attempt-review": Row(own="alice", post={}, arguments=ATTEMPT),
    "question": Row(
        own="alice",
        leaves=(("sensitive_update", "U"),),
        post={"answer": "a", "revision": "0"},
        arguments=ATTEMPT | {"number": "number"},
    ),
    "training-module": Row(arguments=MODULE),
    "training-card": Row(arguments=MODULE),
    "assessment": Row(arguments=MODULE),
    "training-picture": Row(arguments=MODULE | {"name": "picture"}),
    "lesson": Row(arguments=LESSON),
    "lesson-read": Row(post={}, arguments=LESSON),
    "learner": Row(leaves=(READ,), arguments={"person_id": "person"}),
    "learner-unlock": Row(leaves=(READ,), post={}, arguments={"person_id": "person"}),
    "learner-time": Row(leaves=(("sensitive_create", "C"),), post={"more": "2"}, arguments={"person_id": "person"}),
    # Onboarding and approvals
    "access": Row(),
    "access-submit": Row(post={}),
    "access-withdraw": Row(post={}),
    "access-again": Row(post={}),
    "policies": Row(),
    "policy": Row(arguments={"slug": "policy"}),
    "approvals": Row((READ,)),
    "approval": Row((READ,), arguments={"request_id": "access_request"}),
    "approval-decide": Row((READ,), post={}, arguments={"request_id": "access_request"}),
    "approvals-bulk": Row(post={}),
    "delegations": Row((READ,)),
    "delegation-give": Row((READ,), post={}),
    "delegation-end": Row(post={}, arguments={"delegation_id": "delegation"}),
    # Oversight, feedback, e-mail
    "settings-mails": Row(post={"mails": "off"}),
    "remarks-own": Row(),
    "remark-new": Row(leaves=(("sensitive_create", "C"),), post={"category": "idea", "text": "Larger letters"}),
    "remarks": Row(leaves=(READ,)),
    "remark": Row(leaves=(READ,), arguments={"remark_id": "remark"}),
    "cohort": Row(leaves=(READ,)),
    "evidence-all": Row(leaves=(READ, HANDED_OUT), post={}),
    "evidence": Row(leaves=(READ,), arguments={"person_id": "person"}),
    "evidence-csv": Row(leaves=(READ, HANDED_OUT), post={}, arguments={"person_id": "person"}),
    "evidence-pdf": Row(leaves=(READ, HANDED_OUT), post={}, arguments={"person_id": "person"}),
    "items": Row(leaves=(READ,)),
    "misconceptions": Row(leaves=(READ,)),
    "item": Row(leaves=(READ,), arguments={"key": "item_key"}),
}


def things(alice: User) -> dict[str, Any]:
    """One of everything these addresses can name."""
    asked = AccessRequest.objects.create(person=alice)
    now = clock.now()
    given = Delegation.objects.create(
        owner=cast.otto(), delegate=alice, step="identity", reason="Away", ends_at=now + timedelta(days=1)
    )
    policy = PolicyVersion.objects.create(
        slug="m", number=1, title="Matrix", version="1", text="Words.", change="New.", in_force=True
    )
    remark = Remark.objects.create(by=alice, category=Remark.Category.IDEA, text="Larger letters")
    oversight = {"remark": remark.pk, "item_key": "small-1"}
    return (
        making_learning.things(alice)
        | oversight
        | {"access_request": asked.pk, "delegation": given.pk, "policy": policy.slug}
    )
