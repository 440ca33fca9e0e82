"""What each address of the registers leaves in the audit trail; see test_event_matrix."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from clinchat.lib import clock
from compliance.models import Amendment, Asset, Exercise, Official, PolicyVersion, Risk, RiskApproval, Vendor
from compliance.registers import reviews
from tests import cast
from tests.guards.rows import HANDED_OUT, READ, Row

RISK = {"risk_id": "risk"}
ASSET = {"asset_id": "asset"}
VENDOR = {"vendor_id": "vendor"}
WEEK = {"week": "week"}
PSEUDONYM = "P-0123456789abcdef"
ROWS: dict[str, Row] = {
    "risks": Row(),
    "risk": Row(arguments=RISK),
    "risk-new": Row(),
    "risk-edit": Row(arguments=RISK),
    "risk-defer": Row(post={}, arguments=RISK),
    "risks-approve": Row(post={}),
    "risk-version": Row(arguments={"version_id": "risk_version"}),
    "assets": Row(),
    "asset-new": Row(),
    "asset-edit": Row(arguments=ASSET),
    "asset-declare": Row(post={"kind": "other", "address": "nothing-like-it"}),
    "asset-retire": Row(leaves=(("sensitive_update", "U"),), post={}, arguments=ASSET),
    "vendors": Row(),
    "vendor": Row(arguments=VENDOR),
    "vendor-new": Row(),
    "vendor-edit": Row(arguments=VENDOR),
    "vendor-agreement": Row(arguments=VENDOR),
    "vendor-end": Row(leaves=(("sensitive_update", "U"),), post={}, arguments=VENDOR),
    "officials": Row(),
    "official-name": Row(),
    "official-relieve": Row(leaves=(("sensitive_update", "U"),), post={}, arguments={"official_id": "official"}),
    "exercises": Row(),
    "exercise-new": Row(),
    "exercise-follow-up": Row(arguments={"exercise_id": "exercise"}),
    "audit-reviews": Row(leaves=(READ,)),
    "audit-review": Row(leaves=(READ,), arguments=WEEK),
    "audit-review-sign": Row(leaves=(("sensitive_create", "C"),), post={"conclusion": "Calm."}, arguments=WEEK),
    "compliance-policies": Row(),
    "compliance-policy": Row(arguments={"policy_id": "policy_version"}),
    "disclosures": Row(leaves=(READ,)),
    "disclosure-new": Row(),
    "disclosures-patient": Row(post={"record_number": "88231904"}),
    "disclosures-export": Row(leaves=(READ, HANDED_OUT), post={"patient": PSEUDONYM}),
    "amendments": Row(leaves=(READ,)),
    "amendment-new": Row(),
    "amendment": Row(leaves=(READ,), arguments={"amendment_id": "amendment"}),
}


def things() -> dict[str, Any]:
    """One of everything these addresses can name."""
    carol, today = cast.carol(), timezone.localdate()
    asset = Asset.objects.create(name="Files", kind="files", address="/m", purpose="Files", declared_by=carol)
    risk = Risk.objects.create(
        number=1, title="R", threat="T", likelihood=2, impact=2, treatment="T", owner=carol, due=today
    )
    version = RiskApproval.objects.create(
        number=1, approved_by=carol, register={"risks": [], "assets": []}, sha256="0" * 64
    )
    vendor = Vendor.objects.create(name="V", service="S")
    official = Official.objects.create(office=Official.Office.COMPLIANCE, person=carol, named_by=carol)
    exercise = Exercise.objects.create(kind="live", held_on=today, scenario="S", open_actions=1, recorded_by=carol)
    earlier = PolicyVersion.objects.create(
        slug="e", number=2, title="E", version="1", text="Words.", change="New.", published_at=clock.now()
    )
    amendment = Amendment.objects.create(
        patient=PSEUDONYM, record="chat.Turn:0", asked_on=today - timedelta(days=1), recorded_by=carol
    )
    return {
        "risk": risk.pk,
        "risk_version": version.pk,
        "asset": asset.pk,
        "vendor": vendor.pk,
        "official": official.pk,
        "exercise": exercise.pk,
        "week": reviews.weeks(2)[1],
        "policy_version": earlier.pk,
        "amendment": amendment.pk,
    }
