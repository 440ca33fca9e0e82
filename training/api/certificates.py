"""/api/training/certificates and …/policies: what somebody passed and accepted, and who may check it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from clinchat.lib import clock
from compliance import policies as service
from compliance.access import Action, door, public, works_read_only
from compliance.access.sessions import leaves_session_alone
from compliance.api.answers import by_a_person
from compliance.api.bodies import Body, FreeText, Id, Text
from compliance.api.fields import checked, me
from compliance.api.problems import Refused
from compliance.api.proof import require_fresh
from compliance.models import PolicyVersion, User
from compliance.policies import State
from training import access, certificates
from training.api import shown
from training.api.problems import CONFLICT, NEWER, conflict, refusing
from training.approvals import accepting
from training.certificates import LONGEST_TOKEN, Verdict
from training.models.approvals import LONGEST_REASON


class Revocation(Body):
    reason = FreeText(where="training-certificate", max_length=LONGEST_REASON, help_text="Identifiers are masked.")


class Verification(Body):
    token = Text(max_length=2 * LONGEST_TOKEN, help_text="Of the certificate.")


class Acceptance(Body):
    version = Id(help_text="Of the policy, as you read it.")


class Certificates(serializers.Serializer[Any]):
    certificates = shown.CertificateTold(many=True, help_text="The newest first.")


class SignedTold(serializers.Serializer[Any]):
    """What a certificate says, word for word as it was signed."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    module = serializers.CharField()
    version = serializers.CharField()
    percent = serializers.IntegerField(allow_null=True)
    issued = serializers.DateTimeField()
    expires = serializers.DateTimeField()
    key = serializers.CharField(help_text="Which key signed it.")


class Verified(serializers.Serializer[Any]):
    verdict = serializers.ChoiceField(choices=[str(one) for one in Verdict])
    checked_at = serializers.DateTimeField()
    certificate = SignedTold(allow_null=True, help_text="Null: it is not ours, or no certificate.")


class PolicyTold(serializers.Serializer[Any]):
    """A policy in force, and how you stand to it."""

    slug = serializers.CharField()
    number = serializers.IntegerField()
    title = serializers.CharField()
    version = serializers.CharField()
    version_id = serializers.UUIDField(help_text="Send it to accept this version.")
    change = serializers.CharField(help_text="What is new in it.")
    material = serializers.BooleanField()
    published_at = serializers.DateTimeField()
    accepted_at = serializers.DateTimeField(allow_null=True)
    covered = serializers.BooleanField(help_text="You accepted it, or a version that it changes in no substance.")
    due_at = serializers.DateTimeField(allow_null=True, help_text="When access ends if you do not accept it.")


class PolicyWhole(PolicyTold):
    text = serializers.CharField(help_text="Markdown.")


class Policies(serializers.Serializer[Any]):
    policies = PolicyTold(many=True)


# ── Certificates ───────────────────────────────────────────────────────────────────────────────────────────────


@door(Action.TRAIN)
@extend_schema(operation_id="list_certificates", responses={200: Certificates})
@api_view(["GET"])
def own(request: Request) -> Response:
    """Your certificates, also those that have ended."""
    found = me(request).certificates.select_related("revoked_by").order_by("-issued_at", "pk")
    return Response({"certificates": [shown.certificate(one) for one in found]})


@door(Action.TRAIN)
@extend_schema(operation_id="get_certificate", responses={200: shown.CertificateWhole})
@api_view(["GET"])
def certificate(request: Request, certificate_id: UUID) -> Response:
    """A certificate of your own, or of somebody whose training you may read."""
    return Response(shown.whole_certificate(access.get_certificate(me(request), certificate_id)))


@door(Action.REVOKE_CERTIFICATES)
@extend_schema(
    operation_id="revoke_certificate",
    request=Revocation,
    responses={200: shown.CertificateWhole, **conflict("It is revoked already.")},
)
@api_view(["POST"])
def revoke(request: Request, certificate_id: UUID) -> Response:
    """Revoke somebody's certificate, with both factors shown within ten minutes. Access that rests on it ends."""
    given = checked(Revocation, request)
    by_a_person(me(request))
    require_fresh(request)
    found = access.get_certificate(me(request), certificate_id)
    with refusing():
        certificates.revoke(certificate=found, by=me(request), reason=given["reason"])
    return Response(shown.whole_certificate(found))


@works_read_only("It verifies what is sent, and keeps none of it")
@public(certificates.WHO_CHECKS)
@leaves_session_alone
@extend_schema(operation_id="verify_certificate", request=Verification, responses={200: Verified})
@api_view(["POST"])
@authentication_classes([])
@permission_classes([])
def verify(request: Request) -> Response:
    """Whether a certificate is genuine and counts now. Always 200: `verdict` says it."""
    token = checked(Verification, request)["token"]
    signed, verdict = certificates.verdict(token)
    certificate = vars(signed) if signed else None
    return Response({"verdict": str(verdict), "checked_at": clock.now(), "certificate": certificate})


# ── Policies ───────────────────────────────────────────────────────────────────────────────────────────────────


@door(Action.TRAIN)
@extend_schema(operation_id="list_policies", responses={200: Policies})
@api_view(["GET"])
def policies(request: Request) -> Response:
    """The policies in force, and which of them you have to accept."""
    return Response({"policies": [told(one) for one in service.states(me(request))]})


@door(Action.TRAIN)
@extend_schema(operation_id="get_policy", responses={200: PolicyWhole})
@api_view(["GET"])
def policy(request: Request, slug: str) -> Response:
    """The version of a policy that is in force, to read."""
    return Response(_whole(me(request), slug))


@door(Action.TRAIN)
@extend_schema(
    operation_id="accept_policy",
    request=Acceptance,
    responses={200: PolicyWhole, **conflict("A newer version is in force.")},
)
@api_view(["POST"])
def accept(request: Request, slug: str) -> Response:
    """Say that you have read the version and will act by it. Access that had lapsed for want of it opens."""
    given = checked(Acceptance, request)
    by_a_person(me(request))
    _state(me(request), slug)
    read = PolicyVersion.objects.filter(slug=slug, pk=given["version"]).first()
    if read is None:
        raise Refused(CONFLICT, NEWER)
    with refusing():
        accepting.accept(person=me(request), policy=read)
    return Response(_whole(me(request), slug))


def told(found: State) -> dict[str, Any]:
    copied = ("slug", "number", "title", "version", "change", "material", "published_at")
    return {name: getattr(found.policy, name) for name in copied} | {
        "version_id": found.policy.pk,
        "accepted_at": found.accepted_at,
        "covered": found.covered,
        "due_at": found.due_at,
    }


def _whole(person: User, slug: str) -> dict[str, Any]:
    found = _state(person, slug)
    return told(found) | {"text": found.policy.text}


def _state(person: User, slug: str) -> State:
    found = next((one for one in service.states(person) if one.policy.slug == slug), None)
    if found is None:
        raise Http404
    return found
