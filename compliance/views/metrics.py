"""What Prometheus reads."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from clinchat.lib.http import AuthedRequest
from compliance import metrics as numbers
from compliance.access import Action, door


@require_safe
@door(Action.READ_STATUS)
def metrics(request: AuthedRequest) -> HttpResponse:
    """All numbers in Prometheus' text format; 503 when Redis does not answer, because unknown is not zero."""
    text, content_type = numbers.exposition()
    return HttpResponse(text, content_type=content_type)
