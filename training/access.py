"""The doors to attempts, certificates and requests: fetch, authorize and put on record in one step.

A stranger gets Http404, on record: that somebody has failed is nobody else's business.
"""

from __future__ import annotations

from uuid import UUID

from compliance import audit
from compliance.access import Action, allows, people, refusals
from compliance.models import User
from training import attempts
from training.approvals import waiting
from training.models import AccessRequest, Attempt, Certificate


def get_attempt(user: User, attempt_id: UUID) -> Attempt:
    """The person's own attempt that was begun; graded, if its time has passed. Raises Http404."""
    attempts.finish_overdue(person=user)
    found = Attempt.objects.select_related("enrolment__person", "version").defer("version__content")
    attempt = found.exclude(state=Attempt.State.UNUSED).filter(pk=attempt_id).first()
    if attempt is None or attempt.enrolment.person_id != user.pk:
        refusals.as_if_absent(user, "training.Attempt", attempt_id)
    return attempt


def get_certificate(user: User, certificate_id: UUID) -> Certificate:
    """The person's own certificate, or one of somebody whose training they may read; then on record. Raises Http404."""
    found = Certificate.objects.select_related("person", "revoked_by").filter(pk=certificate_id).first()
    if found is None:
        refusals.as_if_absent(user, "training.Certificate", certificate_id)
    if found.person_id == user.pk:
        return found
    if not (allows(user, Action.READ_TRAINING) and people.rule(user, Action.READ_TRAINING, found.person)):
        refusals.as_if_absent(user, "training.Certificate", certificate_id)
    audit.record_read(object_type="training.Certificate", object_id=found.pk)
    return found


def get_request(user: User, request_id: UUID) -> AccessRequest:
    """A request for access the person may see; the page or answer that shows it puts that on record. Raises Http404."""
    found = waiting.visible_to(user).select_related("person").filter(pk=request_id).first()
    if found is None:
        refusals.as_if_absent(user, "training.AccessRequest", request_id)
    return found
