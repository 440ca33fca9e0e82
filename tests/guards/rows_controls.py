"""What each address of the compliance overview and its controls leaves in the audit trail; see test_event_matrix."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from clinchat.lib import clock
from compliance.models import Attestation, ControlException
from tests import cast
from tests.guards.rows import READ, Row

CONTROL = {"control_id": "control"}
SIGNED = {"attestation_id": "signed"}
GAP = {"exception_id": "gap"}
ROWS: dict[str, Row] = {
    "compliance": Row(),
    "control": Row(arguments=CONTROL),
    "check-history": Row(arguments=CONTROL | {"check_key": "check_key"}),
    "controls-run": Row(leaves=(("sensitive_read", "E"),), post={}),
    "control-run": Row(leaves=(("sensitive_read", "E"),), post={}, arguments=CONTROL),
    "control-sign": Row(post={}, arguments=CONTROL),
    "control-except": Row(post={}, arguments=CONTROL),
    "attestation-withdraw": Row(post={}, arguments=SIGNED),
    "attestation-document": Row(leaves=(READ,), arguments=SIGNED),
    "exception-approve": Row(post={}, arguments=GAP),
    "exception-refuse": Row(post={}, arguments=GAP),
    "exception-end": Row(post={}, arguments=GAP),
}


def things() -> dict[str, Any]:
    """One of everything these addresses can name; signed and decided by nobody who opens them."""
    now, nobody = clock.now(), cast.mallory()
    signed = Attestation.objects.create(
        control="ADM-02",
        owner=nobody,
        statement="So it is",
        artifact_name="Minutes",
        artifact_sha256="0" * 64,
        artifact="",
        review_by=now + timedelta(days=9),
    )
    gap = ControlException.objects.create(
        control="ADM-07",
        reason="Why not",
        requested_by=nobody,
        expires_at=now + timedelta(days=9),
        status=ControlException.Status.REFUSED,
        decided_at=now,
    )
    return {"control": "ADM-02", "check_key": "vuln.sla", "signed": signed.pk, "gap": gap.pk}
