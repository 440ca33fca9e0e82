"""/api/library/search: passages for a question. Its words are masked first, in no address, and kept nowhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from chat import access, reading, searching
from chat.api.fields import AsOf, collection_of
from chat.api.problems import refusing
from chat.corpus import structure
from chat.forms import LONGEST_QUESTION, QuestionForm
from chat.models import Kind
from chat.pipeline import search as stages
from chat.pipeline.types import Passage, Question
from compliance.access import Action, door, limits, works_read_only
from compliance.api.bodies import Body, Text
from compliance.api.fields import Number, checked, me

MOST = 50
NOTHING: dict[str, Any] = {"passages": [], "abstained": True, "searched_also": [], "missing": []}
"""Nothing but identifiers was asked for."""


class Search(Body):
    """A question, in words."""

    question = Text(max_length=LONGEST_QUESTION, help_text="Identifiers are masked before anything is searched.")
    collection = Text(required=False, max_length=50, help_text="Its short name. Left out: all you may read.")
    as_of = AsOf(required=False, help_text="Search what was searched at the end of that day.")
    limit = Number(required=False, default=10, min_value=1, max_value=MOST)

    def validate_question(self, text: str) -> str:
        form = QuestionForm({"question": text})
        if not form.is_valid():
            raise serializers.ValidationError(list(map(str, form.errors["question"])))
        return str(form.cleaned_data["question"])


class PassageTold(serializers.Serializer[Any]):
    document = serializers.UUIDField()
    version = serializers.UUIDField()
    number = serializers.IntegerField(help_text="Of the version.")
    external_id = serializers.CharField()
    title = serializers.CharField()
    kind = serializers.ChoiceField(choices=Kind.choices)
    section = serializers.CharField()
    page = serializers.IntegerField(allow_null=True, help_text="Of the source, if it has pages.")
    text = serializers.CharField()
    start = serializers.IntegerField(help_text="Where it stands in the text of the version, in characters.")
    end = serializers.IntegerField()
    sha256 = serializers.CharField(help_text="Of these words in UTF-8.")
    url = serializers.CharField(help_text="The page that shows it, marked.")
    score = serializers.FloatField()


class Found(serializers.Serializer[Any]):
    passages = serializers.ListField(child=PassageTold(), help_text="The best first.")
    abstained = serializers.BooleanField(help_text="None of them is good enough to answer from.")
    searched_also = serializers.ListField(
        child=serializers.CharField(), help_text="Terms that were searched beside those of the question."
    )
    missing = serializers.ListField(
        child=serializers.CharField(), help_text="Words of the question that the best passages do not hold."
    )
    identifiers_left_out = serializers.BooleanField(help_text="Something was masked, and not searched for.")


@works_read_only("It reads, and puts on record that it did")
@door(Action.READ_LIBRARY)
@limits.limited(limits.Limit.ASK)
@extend_schema(operation_id="search_library", request=Search, responses={200: Found})
@api_view(["POST"])
def search(request: Request) -> Response:
    """Passages of what you may read that may answer a question. It counts as a question of yours."""
    given = checked(Search, request)
    with refusing():
        words = searching.words(given["question"], where="api-search")
    reader = access.reader(me(request))
    if "collection" in given:
        reader = replace(reader, collections=(collection_of(me(request), given["collection"]).pk,))
    question = Question(words.text, reader, as_of=given.get("as_of"))
    found = stages.search(question) if words.text else None
    access.record_search(len(found.passages) if found else 0)
    told = _told(found, given["limit"]) if found else NOTHING
    return Response(told | {"identifiers_left_out": words.changed})


def _told(found: stages.Found, limit: int) -> dict[str, Any]:
    judged = found.judged()
    return {
        "passages": [_passage(passage) for passage in found.passages[:limit]],
        "abstained": not judged.answered,
        "searched_also": list(found.understood.also),
        "missing": list(judged.missing),
    }


def _passage(found: Passage) -> dict[str, Any]:
    end = found.start + len(found.text)
    copied = ("document", "version", "number", "external_id", "title", "kind", "section", "text", "start", "sha256")
    return {name: getattr(found, name) for name in copied} | {
        "page": structure.page_of(found.pages, found.start),
        "end": end,
        "url": f"{reading.address(found.document)}?v={found.number}&start={found.start}&end={end}#quote",
        "score": found.score,
    }
