"""Every policy and every version of it, and who accepted the one in force. Nothing is changed here."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from clinchat.lib import clock
from clinchat.lib.http import AuthedRequest
from compliance import audit, policies
from compliance.access import Action, allows, door
from compliance.models import PolicyVersion
from compliance.views.registers import show


@require_safe
@door(Action.READ_CONTROLS)
def page(request: AuthedRequest) -> HttpResponse:
    earlier = PolicyVersion.objects.filter(in_force=False).defer("text")
    return show(request, "policies", {"in_force": policies.standings(clock.now()), "earlier": earlier})


@require_safe
@door(Action.READ_CONTROLS)
def version(request: AuthedRequest, policy_id: UUID) -> HttpResponse:
    """The words of a version; for the one in force also who accepted it, for readers of training records."""
    found = get_object_or_404(PolicyVersion, pk=policy_id)
    names = allows(request.user, Action.READ_TRAINING)
    standing = next((one for one in policies.standings(clock.now()) if one.policy == found), None)
    if standing is not None and names:
        audit.record_read(object_type="compliance.PolicyAcknowledgement", filter={"policy": str(found.pk)})
    versions = PolicyVersion.objects.filter(slug=found.slug).defer("text")
    context = {
        "policy": found,
        "blocks": policies.blocks(found.text),
        "standing": standing,
        "names": names,
        "versions": versions,
    }
    return show(request, "policy", context)
