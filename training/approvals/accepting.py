"""Accepting a policy, and what that opens."""

from __future__ import annotations

from django.db import transaction

from compliance import policies
from compliance.models import PolicyAcknowledgement, PolicyVersion, User
from training import clearing


@transaction.atomic
def accept(*, person: User, policy: PolicyVersion) -> PolicyAcknowledgement:
    """The person accepts the version in force; access that had lapsed for want of it opens. Raises NotInForce."""
    accepted = policies.acknowledge(person=person, policy=policy)
    clearing.settle(person)
    return accepted
