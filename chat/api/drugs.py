"""/api/drugs and the health of the interaction table. Lists and texts come as bodies, never in an address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from chat.forms import plain
from chat.interactions import current, lists
from chat.interactions.check import TooMany
from chat.interactions.current import Unavailable
from chat.interactions.names import Kind
from chat.interactions.status import PROBLEMS
from chat.interactions.status import status as table_status
from chat.interactions.types import Alert, Severity
from chat.models import InteractionCheck
from compliance import phi
from compliance.access import Action, door
from compliance.api.answers import answers
from compliance.api.bodies import NOT_CHECKED, Body, Text
from compliance.api.fields import Digits, asked, checked, me
from compliance.api.problems import Refused

LONGEST_TEXT, LONGEST_NAME, MOST_NAMES = 10_000, 200, 1000
KINDS = [(kind.value, kind.value) for kind in Kind]
HEALTH = [("ok", "ok"), ("degraded", "degraded")]
WHERE = InteractionCheck.Where.API
ONE_OF = "Send either drugs or text."
ONE = "Fewer than two medicines were named. Send at least two: there is nothing to compare one with."
MANY = "{count} medicines were named. Send at most {most} at once."
NO_TABLE = "No interaction table passes its self-test, so nothing was checked. Use another source."


class Checking(Body):
    """Medicines: a list of names, or a text that names them."""

    drugs = serializers.ListField(
        child=Text(max_length=LONGEST_NAME), required=False, max_length=MOST_NAMES, help_text="2 to 30, one a name."
    )
    text = Text(required=False, max_length=LONGEST_TEXT, help_text="Identifiers are masked before it is looked at.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise serializers.ValidationError(ONE_OF)
        return attrs


class Looked(Body):
    """The beginning of a name."""

    q = Text(required=False, default="", max_length=100, allow_blank=True, help_text="Empty finds nothing.")
    limit = Digits(required=False, default=8, min_value=1, max_value=20)


class TableUsed(serializers.Serializer[Any]):
    version = serializers.CharField()
    sha256 = serializers.CharField(help_text="Of its manifest.")
    backup = serializers.BooleanField(help_text="The database was away: a copy was used.")
    as_of = serializers.DateTimeField(help_text="When that state was read.")


class MedicineTold(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="As it was read.")
    ids = serializers.ListField(child=serializers.CharField(), help_text="Ingredients, or one “class:…”.")
    kind = serializers.ChoiceField(choices=KINDS)
    holds = serializers.ListField(child=serializers.CharField(), help_text="Names of its ingredients.")


class SourceTold(serializers.Serializer[Any]):
    name = serializers.CharField()
    ref = serializers.CharField()


class LocalTold(serializers.Serializer[Any]):
    shipped = serializers.CharField(help_text="Severity in the table as shipped; empty: it does not hold the pair.")
    reason = serializers.CharField()
    expires = serializers.DateField()


class InteractionTold(serializers.Serializer[Any]):
    a = serializers.CharField()
    b = serializers.CharField()
    a_name = serializers.CharField()
    b_name = serializers.CharField()
    among = serializers.IntegerField(help_text="Of a class: how many pairs of members interact.")
    of = serializers.IntegerField(help_text="Of a class: how many pairs of members there are.")
    pair = serializers.ListField(child=serializers.CharField(), help_text="The ingredients it is said of; the gravest.")
    names = serializers.ListField(child=serializers.CharField())
    severity = serializers.ChoiceField(choices=[severity.value for severity in Severity])
    alert = serializers.ChoiceField(choices=[alert.value for alert in Alert])
    mechanism = serializers.CharField()
    effect = serializers.CharField()
    management = serializers.CharField()
    sources = SourceTold(many=True)
    note = serializers.CharField(help_text="Why the severity is not that of the source.")
    as_class = serializers.ListField(child=serializers.CharField(), help_text="Classes the source speaks of instead.")
    extension = serializers.ListField(child=serializers.CharField(), help_text="Those that were added to their class.")
    local = LocalTold(allow_null=True, help_text="How the hospital changed it.")


class UnknownTold(serializers.Serializer[Any]):
    text = serializers.CharField(help_text="Masked.")
    suggestions = serializers.ListField(child=serializers.CharField())


class DuplicateTold(serializers.Serializer[Any]):
    name = serializers.CharField()
    names = serializers.ListField(child=serializers.CharField(), help_text="What holds it.")


class RepeatedTold(serializers.Serializer[Any]):
    name = serializers.CharField()
    times = serializers.IntegerField()


class Checked(serializers.Serializer[Any]):
    """Each pair or medicine has one of four results. None of them says that anything is safe."""

    id = serializers.UUIDField(help_text="Of the check, which is kept as it stands here.")
    available = serializers.BooleanField()
    table = TableUsed()
    medicines = MedicineTold(many=True)
    found = InteractionTold(many=True, help_text="Interactions, the gravest first.")
    none_found = serializers.ListField(
        child=serializers.ListField(child=serializers.CharField()),
        help_text="Pairs the table does not hold, though both are covered. Not proof that there is none.",
    )
    not_covered = serializers.ListField(child=serializers.CharField(), help_text="Its sources do not speak of these.")
    not_recognised = UnknownTold(many=True)
    duplicates = DuplicateTold(many=True)
    repeated = RepeatedTold(many=True, required=False)
    stopped = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Written as stopped, and checked all the same."
    )
    allergies = serializers.BooleanField(required=False, help_text="Lines about allergies were left out.")


class SuggestionTold(serializers.Serializer[Any]):
    name = serializers.CharField()
    ids = serializers.ListField(child=serializers.CharField())
    kind = serializers.ChoiceField(choices=KINDS)
    holds = serializers.ListField(child=serializers.CharField())


class Completions(serializers.Serializer[Any]):
    drugs = SuggestionTold(many=True)


@door(Action.CHECK_INTERACTIONS)
@extend_schema(
    operation_id="check_interactions",
    request=Checking,
    responses={
        200: Checked,
        **answers(422, "Fewer than two medicines, or too many."),
        **answers(503, "No sound table, or the text could not be masked."),
    },
)
@api_view(["POST"])
def interactions(request: Request) -> Response:
    """Check medicines against each other. What was found is kept, with who asked."""
    given = checked(Checking, request)
    with refusing():
        if "text" in given:
            made = lists.check_text(plain(given["text"]), where=WHERE, by=me(request))
        else:
            typed = lists.of_names([plain(name) for name in given["drugs"]])
            made = lists.check(typed, where=WHERE, by=me(request))
    return Response({"id": made.pk, **made.result})


@contextmanager
def refusing() -> Iterator[None]:
    """What a check raises leaves as a refusal."""
    try:
        yield
    except lists.OneMedicine:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, ONE) from None
    except TooMany as many:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, MANY.format(count=many.count, most=many.most)) from None
    except Unavailable:
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, NO_TABLE) from None
    except phi.PhiUnavailable:
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, NOT_CHECKED) from None


@door(Action.READ_LIBRARY)
@extend_schema(
    operation_id="search_drugs",
    parameters=[Looked],
    responses={200: Completions, **answers(503, "No interaction table passes its self-test.")},
)
@api_view(["GET"])
def search(request: Request) -> Response:
    """Names that begin as `q` does. Nothing of it is kept."""
    given = asked(Looked, request)
    with refusing():
        table = current.current().table
    found = table.names.complete(given["q"], given["limit"])
    told = [
        {"name": one.name, "ids": list(one.ids), "kind": one.kind.value, "holds": [table.label(i) for i in one.ids]}
        for one in found
    ]
    return Response({"drugs": told})


class TableStatus(serializers.Serializer[Any]):
    version = serializers.CharField()
    sha256 = serializers.CharField(help_text="Of its manifest, which has those of all files.")
    medicines = serializers.IntegerField()
    covered = serializers.IntegerField()
    not_covered = serializers.IntegerField()
    classes = serializers.IntegerField()
    combinations = serializers.IntegerField()
    pairs = serializers.IntegerField()
    by_severity = serializers.DictField(child=serializers.IntegerField())
    onc_pairs = serializers.IntegerField(help_text="Of the ONC high-priority list.")


class FileStatus(serializers.Serializer[Any]):
    name = serializers.CharField()
    sha256 = serializers.CharField()
    matches = serializers.BooleanField(help_text="It is what the manifest says.")


class TableSelfTest(serializers.Serializer[Any]):
    ok = serializers.BooleanField()
    failures = serializers.ListField(child=serializers.CharField())
    expansion = serializers.BooleanField(help_text="Every pair has the words it was made from, by SHA-256.")


class SourceStatus(serializers.Serializer[Any]):
    name = serializers.CharField()
    dated = serializers.CharField()
    years = serializers.IntegerField(help_text="Its age.")
    old = serializers.BooleanField(help_text="Older than five years.")


class LocalStatus(serializers.Serializer[Any]):
    in_force = serializers.IntegerField()
    expiring = serializers.IntegerField(help_text="Within 30 days.")


class BackupStatus(serializers.Serializer[Any]):
    sound = serializers.BooleanField(help_text="There is a copy that could be used now.")
    at = serializers.DateTimeField(allow_null=True)
    age_seconds = serializers.FloatField()
    changes = serializers.IntegerField(help_text="Local changes in it.")
    same = serializers.BooleanField(help_text="It is the state that is in use.")


class LimitsStatus(serializers.Serializer[Any]):
    common_without_data = serializers.ListField(child=serializers.CharField())
    reviewed_by_pharmacist = serializers.BooleanField()


class DrugTableStatus(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=HEALTH)
    problems = serializers.ListField(child=serializers.ChoiceField(choices=PROBLEMS))
    table = TableStatus(allow_null=True, help_text="Null: none is sound.")
    files = FileStatus(many=True, required=False)
    self_test = TableSelfTest(required=False)
    sources = SourceStatus(many=True, required=False)
    from_backup = serializers.BooleanField(required=False)
    last_update = serializers.DateTimeField(
        required=False, allow_null=True, help_text="Null: as it came with the image, without local changes."
    )
    local_changes = LocalStatus(required=False)
    backup = BackupStatus()
    limits = LimitsStatus(required=False)


@door(Action.READ_STATUS)
@extend_schema(operation_id="drug_table_health", responses={200: DrugTableStatus})
@api_view(["GET"])
def health(request: Request) -> Response:
    """Which table is in use, whether it is sound, and how old its sources and its copy are. Always 200."""
    return Response(table_status())
