"""Modules, attempts and certificates as the API shows them; each beside what the OpenAPI document says of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rest_framework import serializers

from clinchat.lib import clock
from compliance.api.fields import name_of
from compliance.models import PolicyAcknowledgement, User
from training import attempts, certificate_files
from training.bank.answers import Choice
from training.bank.types import Kind
from training.learning import Place, Progress, State
from training.models import Attempt, Certificate, Enrolment
from training.transcripts import Transcript, Turn

STATES: Final = [str(one) for one in State]
KINDS: Final = [str(one) for one in Kind]
ATTEMPT_STATES: Final = ["open", "graded"]
"""Of those that were begun."""


class PersonNamed(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    department = serializers.CharField()


class LessonBrief(serializers.Serializer[Any]):
    """A lesson in its module."""

    key = serializers.CharField()
    number = serializers.IntegerField(help_text="Its place, from 1.")
    title = serializers.CharField()
    minutes = serializers.IntegerField()
    needed = serializers.BooleanField(help_text="It is to be read before the next assessment.")
    read = serializers.BooleanField(help_text="Read, as it is now.")


class ModuleBrief(serializers.Serializer[Any]):
    """A module, and how far you are in it."""

    slug = serializers.CharField()
    number = serializers.IntegerField()
    title = serializers.CharField()
    version = serializers.CharField()
    state = serializers.ChoiceField(choices=STATES)
    due_at = serializers.DateTimeField(allow_null=True)
    lessons_needed = serializers.IntegerField()
    lessons_read = serializers.IntegerField(help_text="Of those needed.")
    minutes_left = serializers.IntegerField(help_text="To read what is needed and not read.")
    expires_at = serializers.DateTimeField(allow_null=True, help_text="When the certificate ends. Null: there is none.")


class AttemptBrief(serializers.Serializer[Any]):
    """An attempt that was begun."""

    id = serializers.UUIDField()
    number = serializers.IntegerField()
    state = serializers.ChoiceField(choices=ATTEMPT_STATES)
    started_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(allow_null=True, help_text="What is saved then is graded. Null: no limit.")
    submitted_at = serializers.DateTimeField(allow_null=True)
    percent = serializers.IntegerField(allow_null=True, help_text="Null until it is graded.")
    passed = serializers.BooleanField(allow_null=True)


class CertificateTold(serializers.Serializer[Any]):
    """That somebody passed a module, or all six."""

    id = serializers.UUIDField()
    module = serializers.CharField(help_text="Its short name; empty: all six.")
    title = serializers.CharField()
    version = serializers.CharField()
    percent = serializers.IntegerField(allow_null=True)
    issued_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    valid = serializers.BooleanField(help_text="Neither expired nor revoked.")
    revoked_at = serializers.DateTimeField(allow_null=True)
    revoked_by = serializers.CharField(allow_null=True)
    revoke_reason = serializers.CharField()


class CertificateWhole(CertificateTold):
    person = serializers.CharField()
    token = serializers.CharField(help_text="What was signed. Anybody checks it, also without this portal.")
    address = serializers.CharField(help_text="Where anybody checks it.")


class OptionTold(serializers.Serializer[Any]):
    """One thing to choose. `value` is what to send, and says nothing about what is right."""

    value = serializers.CharField()
    text = serializers.CharField()
    chosen = serializers.BooleanField()


class TurnTold(serializers.Serializer[Any]):
    """One turn through one module."""

    id = serializers.UUIDField()
    module = serializers.CharField()
    title = serializers.CharField()
    kind = serializers.ChoiceField(choices=Enrolment.Kind.choices)
    why = serializers.CharField(help_text="What changed, if that is what it is about.")
    opened_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField(allow_null=True)
    completed_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True, help_text="Another took its place then.")
    lessons_read = serializers.IntegerField()
    attempts = AttemptBrief(many=True)
    attempts_left = serializers.IntegerField()
    stuck = serializers.BooleanField(help_text="Every attempt failed, and nobody has unlocked another.")


class AcceptedPolicy(serializers.Serializer[Any]):
    """A version of a policy that was accepted."""

    slug = serializers.CharField()
    title = serializers.CharField()
    version = serializers.CharField()
    at = serializers.DateTimeField()


class TranscriptTold(serializers.Serializer[Any]):
    """Everything somebody did in training, the newest first."""

    turns = TurnTold(many=True)
    certificates = CertificateTold(many=True)
    policies = AcceptedPolicy(many=True)


def person(found: User) -> dict[str, Any]:
    return {"id": found.pk, "name": str(found), "department": found.department}


def lesson(found: Place) -> dict[str, Any]:
    return {
        "key": found.lesson.key,
        "number": found.number,
        "title": found.lesson.title,
        "minutes": found.lesson.minutes,
        "needed": found.needed,
        "read": found.read,
    }


def module(found: Progress) -> dict[str, Any]:
    return {
        "slug": found.version.slug,
        "number": found.version.number,
        "title": found.version.title,
        "version": found.version.version,
        "state": str(found.state),
        "due_at": found.due_at,
        "lessons_needed": len(found.needed),
        "lessons_read": found.read,
        "minutes_left": found.minutes_left,
        "expires_at": found.certificate.expires_at if found.certificate else None,
    }


def attempt(found: Attempt) -> dict[str, Any]:
    copied = ("id", "number", "state", "started_at", "ends_at", "submitted_at", "passed")
    graded = found.state == Attempt.State.GRADED
    told = {name: getattr(found, name) for name in copied}
    return told | {"percent": attempts.percent_of(found) if graded else None}


def certificate(found: Certificate) -> dict[str, Any]:
    copied = ("id", "title", "version", "percent", "issued_at", "expires_at", "revoked_at", "revoke_reason")
    return {name: getattr(found, name) for name in copied} | {
        "module": found.slug,
        "valid": found.revoked_at is None and found.expires_at > clock.now(),
        "revoked_by": name_of(found.revoked_by),
    }


def whole_certificate(found: Certificate) -> dict[str, Any]:
    return certificate(found) | {
        "person": str(found.person),
        "token": found.token,
        "address": certificate_files.public_address(found),
    }


def options(choices: Sequence[Choice]) -> list[dict[str, Any]]:
    """What there is to choose; nothing where a number is to be entered and was not."""
    return [{"value": one.letter, "text": one.text, "chosen": one.chosen} for one in choices if one.letter]


def transcript(found: Transcript) -> dict[str, Any]:
    return {
        "turns": [_turn(one) for one in found.turns],
        "certificates": [certificate(one) for one in found.certificates],
        "policies": [accepted(one) for one in found.policies],
    }


def accepted(found: PolicyAcknowledgement) -> dict[str, Any]:
    policy = found.policy
    return {"slug": policy.slug, "title": policy.title, "version": policy.version, "at": found.at}


def _turn(found: Turn) -> dict[str, Any]:
    copied = ("id", "kind", "why", "opened_at", "due_at", "completed_at", "closed_at")
    return {name: getattr(found.enrolment, name) for name in copied} | {
        "module": found.enrolment.slug,
        "title": found.title,
        "lessons_read": found.lessons_read,
        "attempts": [attempt(one.attempt) for one in found.tried],
        "attempts_left": found.left,
        "stuck": found.stuck,
    }
