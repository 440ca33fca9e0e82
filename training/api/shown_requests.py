"""Requests for access as the API shows them; each beside what the OpenAPI document says of it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from compliance.api.fields import name_of
from training.api import shown
from training.api.certificates import PolicyTold
from training.api.certificates import told as policy
from training.approval_forms import opened
from training.approvals.details import Details
from training.approvals.overview import Mark, Overview
from training.approvals.transitions import Why
from training.models import AccessRequest, StageDecision
from training.models.approvals import Stage, Step


class DecisionTold(serializers.Serializer[Any]):
    """One step that was taken."""

    step = serializers.ChoiceField(choices=Step.choices)
    before = serializers.ChoiceField(choices=Stage.choices)
    after = serializers.ChoiceField(choices=Stage.choices)
    round = serializers.IntegerField()
    by = serializers.CharField()
    for_whom = serializers.CharField(allow_null=True, help_text="Whose power it was, if somebody else's.")
    at = serializers.DateTimeField()
    granted = serializers.CharField(help_text="What it opened, in words.")
    reason = serializers.CharField()


class RequestTold(serializers.Serializer[Any]):
    """A request for access."""

    id = serializers.UUIDField()
    person = shown.PersonNamed()
    stage = serializers.ChoiceField(choices=Stage.choices)
    round = serializers.IntegerField()
    revision = serializers.IntegerField(help_text="Send it back with a decision.")
    opened_at = serializers.DateTimeField()
    entered_at = serializers.DateTimeField(help_text="When it came to this stage.")
    license_kind = serializers.CharField()
    license_issuer = serializers.CharField()
    license_until = serializers.DateField(allow_null=True)
    recertify_by = serializers.DateTimeField(allow_null=True)


class RequestListed(RequestTold):
    mine = serializers.BooleanField(help_text="It waits for you.")


class RequestPage(serializers.Serializer[Any]):
    requests = RequestListed(many=True)
    next = serializers.CharField(allow_null=True, help_text="Send it as `cursor`. Null: this is the last page.")


class ModuleHeld(serializers.Serializer[Any]):
    title = serializers.CharField()
    certificate = serializers.UUIDField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    valid = serializers.BooleanField()


class PossibleStep(serializers.Serializer[Any]):
    """A step you may take now."""

    step = serializers.ChoiceField(choices=Step.choices)
    words = serializers.CharField()
    granted = serializers.CharField(help_text="Exactly what it would grant; empty: nothing.")
    needs_reason = serializers.BooleanField()
    takes_license = serializers.BooleanField()


class DelegationHeld(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    owner = serializers.CharField()
    ends_at = serializers.DateTimeField()


class RequestDetails(RequestTold):
    opened = serializers.CharField(help_text="Send it back with a decision.")
    roles = serializers.ListField(child=serializers.CharField())
    modules = ModuleHeld(many=True)
    policies = PolicyTold(many=True, help_text="As they stand for the applicant.")
    missing = serializers.ListField(child=serializers.CharField(), help_text="Of training and policies.")
    decisions = DecisionTold(many=True, help_text="In their order.")
    waits_for = serializers.ChoiceField(choices=Step.choices, allow_null=True)
    deciders = shown.PersonNamed(many=True, help_text="Who can take that step.")
    granted = serializers.CharField(help_text="What the next step would grant, in words.")
    possible = PossibleStep(many=True)
    delegation = DelegationHeld(allow_null=True, help_text="With which you would decide what it waits for.")
    why_not = serializers.ChoiceField(
        choices=[str(one) for one in Why], allow_null=True, help_text="The rule that keeps that step from you."
    )
    certified = serializers.BooleanField(help_text="You hold the certificates that somebody needs who approves.")


class PartTold(serializers.Serializer[Any]):
    """One of the seven parts of the way to access."""

    key = serializers.CharField()
    title = serializers.CharField()
    state = serializers.ChoiceField(choices=[str(one) for one in Mark])
    text = serializers.CharField()


class OwnRequest(serializers.Serializer[Any]):
    """Your way to access."""

    stage = serializers.ChoiceField(choices=Stage.choices)
    round = serializers.IntegerField()
    revision = serializers.IntegerField(help_text="Send it back with the next step.")
    parts = PartTold(many=True)
    missing = serializers.ListField(child=serializers.CharField(), help_text="Before it can be sent in.")
    may_submit = serializers.BooleanField()
    may_withdraw = serializers.BooleanField()
    may_reapply = serializers.BooleanField()
    may_ask = serializers.BooleanField(help_text="Access is open.")
    until = serializers.DateTimeField(allow_null=True, help_text="When it ends if nothing is done. Null: it is closed.")
    lacks = serializers.ListField(
        child=serializers.CharField(), help_text="What keeps it closed though every approval is there."
    )
    decisions = DecisionTold(many=True, help_text="The newest first.")


def request(found: AccessRequest) -> dict[str, Any]:
    copied = ("id", "stage", "round", "revision", "opened_at", "entered_at", "license_kind", "license_until")
    return {name: getattr(found, name) for name in copied} | {
        "person": shown.person(found.person),
        "license_issuer": found.license_state,
        "recertify_by": found.recertify_by,
    }


def details(found: Details) -> dict[str, Any]:
    delegation = found.delegation
    return request(found.request) | {
        "opened": opened(found.request),
        "roles": [one.role for one in found.roles],
        "modules": [
            {
                "title": one.title,
                "certificate": one.certificate.pk if one.certificate else None,
                "expires_at": one.certificate.expires_at if one.certificate else None,
                "valid": one.valid,
            }
            for one in found.modules
        ],
        "policies": [policy(one) for one in found.policies],
        "missing": list(found.missing),
        "decisions": [decision(one) for one in found.decisions],
        "waits_for": found.waits_for,
        "deciders": [shown.person(one) for one in found.deciders],
        "granted": found.granted,
        "possible": [
            {
                "step": one.step,
                "words": one.button,
                "granted": one.granted,
                "needs_reason": one.needs_reason,
                "takes_license": one.takes_license,
            }
            for one in found.possible
        ],
        "delegation": delegation
        and {"id": delegation.pk, "owner": str(delegation.owner), "ends_at": delegation.ends_at},
        "why_not": found.why_not,
        "certified": found.certified,
    }


def own(found: Overview) -> dict[str, Any]:
    known = found.request
    copied = ("may_submit", "may_withdraw", "may_reapply", "may_ask", "until")
    return {name: getattr(found, name) for name in copied} | {
        "stage": known.stage if known else Stage.DRAFT,
        "round": known.round if known else 1,
        "revision": known.revision if known else 0,
        "parts": [
            {"key": one.key, "title": one.title, "state": str(one.mark), "text": one.text} for one in found.parts
        ],
        "missing": list(found.missing),
        "lacks": list(found.lacks),
        "decisions": [decision(one) for one in found.decisions],
    }


def decision(found: StageDecision) -> dict[str, Any]:
    copied = ("step", "before", "after", "round", "at", "granted", "reason")
    return {name: getattr(found, name) for name in copied} | {
        "by": str(found.by),
        "for_whom": name_of(found.delegation.owner) if found.delegation else None,
    }
