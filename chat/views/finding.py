"""Finding one's own questions."""

from __future__ import annotations

from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from chat import searching
from clinchat.lib.http import AuthedRequest
from compliance import phi
from compliance.access import Action, door, works_read_only


class PlaceForm(forms.Form):
    """The conversation whose page the search was sent from; none: the page of a new question."""

    conversation = forms.UUIDField(required=False)

    def address(self) -> str:
        pk = self.cleaned_data.get("conversation") if self.is_valid() else None
        return reverse("conversation", args=[pk]) if pk else reverse("ask")


@works_read_only("It reads, and puts on record that it did")
@require_POST
@door(Action.ASK)
def find(request: AuthedRequest) -> HttpResponse:
    """To the page the search came from, with the words to search for in its address."""
    address = PlaceForm(request.POST).address()
    try:
        words = searching.words(searching.typed(request), where="question-search")
    except phi.PhiUnavailable:
        messages.error(request, searching.NOT_SEARCHED)
        return redirect(address)
    if words.changed:
        messages.info(request, searching.LEFT_OUT)
    return redirect(f"{address}?{urlencode({'q': words.text})}" if words.text else address)
