"""What this app gives to checks: decisions about access, what is one person's, and its oldest record."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.urls import reverse

from clinchat.lib import clock
from compliance.controls import belongings, duties, readable
from compliance.controls.belongings import Belonging
from compliance.controls.duties import Duty
from compliance.models import User
from training import certificates
from training.models import Certificate, Enrolment, StageDecision
from training.models.approvals import APPROVALS, OWN


def register() -> None:
    duties.register("access", access)
    belongings.register(Belonging("certificate", certificate))
    belongings.register(Belonging("export", export, open_to_owner=False))
    readable.register("certificate", oldest_certificate)


def access() -> Iterator[Duty]:
    """Every decision about somebody's access. The four approvals of one round are of four people."""
    for one in StageDecision.objects.exclude(step__in=OWN):
        round_of = f"{one.request_id} {one.round}" if one.step in APPROVALS else ""
        yield Duty(
            "access",
            str(one.pk),
            requester=one.applicant_id,
            approver=one.by_id,
            at=one.at,
            proved_at=one.proved_at,
            together=round_of,
        )


def certificate(owner: User) -> str:
    now = clock.now()
    enrolment = Enrolment.objects.create(person=owner, slug="control-check", completed_at=now)
    made = Certificate.objects.create(
        person=owner,
        slug=enrolment.slug,
        title="Control check",
        version="1",
        enrolment=enrolment,
        expires_at=now + timedelta(hours=1),
        token="unsigned",  # noqa: S106  # not a secret, and nobody ever sees it
    )
    return reverse("certificate", args=[made.pk])


def export(owner: User) -> str:
    """The file with the owner's evidence, as a program of somebody of another department would fetch it."""
    return reverse("api-evidence", args=[owner.pk])


def oldest_certificate() -> bool | None:
    """The signature of the oldest certificate, and that it is the one its row speaks of."""
    oldest = Certificate.objects.order_by("issued_at").first()
    if oldest is None:
        return None
    try:
        return certificates.verify(oldest.token).id == oldest.pk
    except (certificates.Forged, certificates.Malformed):
        return False
