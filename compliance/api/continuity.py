"""/api/snapshots and /api/recovery/: backups, and restores that a second person approves.

Names of serializers are names of components in the OpenAPI document, so clients see them.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from compliance.access import Action, door, require, works_read_only
from compliance.api.answers import answers
from compliance.api.bodies import Body, FreeText, Id, Nothing, Text
from compliance.api.fields import Listing, asked, checked, me, name_of
from compliance.api.paging import page
from compliance.api.problems import Refused
from compliance.api.proof import require_fresh
from compliance.continuity import overview
from compliance.continuity.backup import backups
from compliance.continuity.refusals import ContinuityError
from compliance.continuity.restore import display, recovery
from compliance.continuity.write_guard import RECOVERY
from compliance.continuity_forms import BY_HAND, LONGEST_NAME, LONGEST_REASON
from compliance.models import Backup, Restore

Row = TypeVar("Row", Backup, Restore)
PEOPLE = ("backup", "before", "requested_by", "decided_by")


class Snapshots(Listing):
    """Backups and snapshots asked for."""

    environment = Text(required=False, max_length=40)
    type = serializers.ChoiceField(required=False, choices=Backup.Type.choices)


class Making(Body):
    """A snapshot of everything as it is now."""

    type = serializers.ChoiceField(choices=[(one.value, one.label) for one in BY_HAND])
    name = FreeText(where="continuity", max_length=LONGEST_NAME, help_text="Whoever goes back to it types this name.")
    reason = FreeText(where="continuity", max_length=LONGEST_REASON, help_text="Why. Identifiers are masked.")


class Reason(Body):
    reason = FreeText(where="continuity", max_length=LONGEST_REASON, help_text="Why. Identifiers are masked.")


class RollingBack(Reason):
    """The wish to go back to the newest snapshot from before a deployment or a restore."""

    typed_name = Text(max_length=LONGEST_NAME, help_text="The name of the snapshot, exactly.")


class Restoring(RollingBack):
    """The wish to go back to a snapshot."""

    snapshot_id = Id()
    to_time = serializers.DateTimeField(required=False, help_text="A moment; left out: what the snapshot holds.")


class SnapshotTold(serializers.Serializer[Any]):
    """One backup or snapshot."""

    id = serializers.UUIDField()
    key = serializers.CharField(help_text="Its folder in the store; empty until it is begun.")
    kind = serializers.ChoiceField(choices=Backup.Kind.choices)
    type = serializers.ChoiceField(choices=Backup.Type.choices)
    name = serializers.CharField()
    reason = serializers.CharField()
    environment = serializers.CharField()
    state = serializers.ChoiceField(choices=Backup.State.choices)
    is_broken_off = serializers.BooleanField(
        help_text="It was being made, and its process was ended; within a minute `state` says what became of it."
    )
    progress = serializers.CharField()
    failure = serializers.CharField()
    made_by = serializers.CharField(allow_null=True)
    requested_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    as_of = serializers.DateTimeField(allow_null=True, help_text="The moment of the database that it holds.")
    keep_until = serializers.DateTimeField(allow_null=True)
    size = serializers.IntegerField(help_text="Bytes in the store, encrypted.")
    stores = serializers.ListField(child=serializers.CharField())
    manifest_sha256 = serializers.CharField()
    verified_at = serializers.DateTimeField(allow_null=True)
    verified_ok = serializers.BooleanField(allow_null=True, help_text="Null: never read back.")


class SnapshotPage(serializers.Serializer[Any]):
    snapshots = SnapshotTold(many=True, help_text="The newest first.")
    next = serializers.CharField(allow_null=True, help_text="Send it as `cursor`. Null: this is the last page.")


class RestoreTold(serializers.Serializer[Any]):
    """One restore, and how far it is."""

    id = serializers.UUIDField()
    snapshot_id = serializers.UUIDField()
    to_time = serializers.DateTimeField(allow_null=True)
    emergency = serializers.BooleanField()
    reason = serializers.CharField()
    state = serializers.ChoiceField(choices=Restore.State.choices)
    is_broken_off = serializers.BooleanField(
        help_text="It ran, and its process was ended; within a minute everything is as it was, and `state` is `failed`."
    )
    step = serializers.CharField(help_text="Empty: not begun.")
    failure = serializers.CharField()
    requested_by = serializers.CharField(allow_null=True)
    requested_at = serializers.DateTimeField()
    decided_by = serializers.CharField(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)
    before = serializers.UUIDField(allow_null=True, help_text="The snapshot that was made before it.")
    finished_at = serializers.DateTimeField(allow_null=True)


class AtRisk(serializers.Serializer[Any]):
    """One service against what the hospital may lose of it, and how long it may be away. Seconds."""

    service = serializers.CharField()
    at_risk = serializers.FloatField(allow_null=True, help_text="Null: nothing could be brought back.")
    rpo = serializers.FloatField()
    restored_in = serializers.FloatField(allow_null=True, help_text="By the last drill that passed. Null: none has.")
    rto = serializers.FloatField()


class DrillTold(serializers.Serializer[Any]):
    state = serializers.CharField()
    started_at = serializers.DateTimeField()
    rto_seconds = serializers.FloatField(allow_null=True)
    rpo_seconds = serializers.FloatField(allow_null=True)


class RecoveryTold(serializers.Serializer[Any]):
    """What could be brought back now, and what is under way."""

    at = serializers.DateTimeField()
    is_read_only = serializers.BooleanField()
    recoverable_to = serializers.DateTimeField(allow_null=True)
    services = AtRisk(many=True)
    last_backup = SnapshotTold(allow_null=True)
    rollback_target = SnapshotTold(allow_null=True, help_text="What an emergency rollback goes back to.")
    last_drill = DrillTold(allow_null=True)
    restore = RestoreTold(allow_null=True, help_text="The one that is open.")


REFUSED = answers(HTTPStatus.CONFLICT, "That cannot be done as things are; `detail` says why.")


@works_read_only(RECOVERY)
@door(Action.READ_CONTINUITY)
@extend_schema(methods=["GET"], operation_id="list_snapshots", parameters=[Snapshots], responses={200: SnapshotPage})
@extend_schema(methods=["POST"], operation_id="make_snapshot", request=Making, responses={202: SnapshotTold, **REFUSED})
@api_view(["GET", "POST"])
def snapshots(request: Request) -> Response:
    """Backups and snapshots, the newest first; or have one made, which takes a while."""
    if request.method == "POST":
        require(me(request), Action.MAKE_SNAPSHOTS)
        body = checked(Making, request)
        made = _or_conflict(lambda: backups.request(**body, actor=me(request)))
        return Response(_snapshot(made), status=HTTPStatus.ACCEPTED)
    wanted = asked(Snapshots, request)
    conditions = {name: wanted[name] for name in ("environment", "type") if name in wanted}
    found = Backup.objects.filter(**conditions).select_related("made_by")
    rows, following = page(
        found, cursor=wanted.get("cursor"), limit=wanted["limit"], at="requested_at", newest_first=True
    )
    return Response({"snapshots": [_snapshot(row) for row in rows], "next": following})


@door(Action.READ_CONTINUITY)
@extend_schema(operation_id="get_snapshot", responses={200: SnapshotTold})
@api_view(["GET"])
def snapshot(request: Request, backup_id: UUID) -> Response:
    """One backup or snapshot, and how far it is."""
    return Response(_snapshot(get_object_or_404(Backup.objects.select_related("made_by"), pk=backup_id)))


@works_read_only(RECOVERY)
@door(Action.ASK_RESTORE)
@extend_schema(operation_id="ask_restore", request=Restoring, responses={202: RestoreTold, **REFUSED})
@api_view(["POST"])
def restore(request: Request) -> Response:
    """Ask to go back to a snapshot. It waits for a second person; nothing changes before they approve."""
    body = checked(Restoring, request)
    require_fresh(request)
    backup_id = body.pop("snapshot_id")
    made = _or_conflict(lambda: recovery.request(backup_id=backup_id, actor=me(request), **body))
    return _respond(made, HTTPStatus.ACCEPTED)


@works_read_only(RECOVERY)
@door(Action.APPROVE_RESTORE)
@extend_schema(operation_id="approve_restore", request=Nothing, responses={202: RestoreTold, **REFUSED})
@api_view(["POST"])
def approve(request: Request, restore_id: UUID) -> Response:
    """Approve somebody else's restore, which begins at once."""
    checked(Nothing, request)
    require_fresh(request)
    return _decide(request, restore_id, recovery.approve, HTTPStatus.ACCEPTED)


@works_read_only(RECOVERY)
@door(Action.ASK_RESTORE)
@extend_schema(operation_id="cancel_restore", request=Nothing, responses={200: RestoreTold, **REFUSED})
@api_view(["POST"])
def cancel(request: Request, restore_id: UUID) -> Response:
    """Cancel a restore that has not begun."""
    checked(Nothing, request)
    return _decide(request, restore_id, recovery.cancel)


@works_read_only(RECOVERY)
@door(Action.APPROVE_RESTORE)
@extend_schema(operation_id="accept_restore", request=Nothing, responses={200: RestoreTold, **REFUSED})
@api_view(["POST"])
def accept(request: Request, restore_id: UUID) -> Response:
    """Accept what was restored: people can write again, and there is no undoing it."""
    checked(Nothing, request)
    require_fresh(request)
    return _decide(request, restore_id, recovery.accept)


@works_read_only(RECOVERY)
@door(Action.ASK_RESTORE)
@extend_schema(operation_id="undo_restore", request=Reason, responses={202: RestoreTold, **REFUSED})
@api_view(["POST"])
def undo(request: Request, restore_id: UUID) -> Response:
    """Undo a restore that nobody has accepted yet: everything is again as it was before it."""
    body = checked(Reason, request)
    require_fresh(request)
    return _decide(request, restore_id, recovery.undo, HTTPStatus.ACCEPTED, **body)


@works_read_only(RECOVERY)
@door(Action.ASK_RESTORE)
@extend_schema(operation_id="emergency_rollback", request=RollingBack, responses={202: RestoreTold, **REFUSED})
@api_view(["POST"])
def emergency_rollback(request: Request) -> Response:
    """Ask to go back to the newest snapshot from before a deployment or a restore. It takes a second person as well."""
    body = checked(RollingBack, request)
    require_fresh(request)
    return _respond(_or_conflict(lambda: recovery.request_rollback(actor=me(request), **body)), HTTPStatus.ACCEPTED)


@door(Action.READ_CONTINUITY)
@extend_schema(operation_id="recovery_status", responses={200: RecoveryTold})
@api_view(["GET"])
def status(request: Request) -> Response:
    """What could be brought back now, measured against what may be lost; and the restore that is open."""
    found, target = overview.overview(), recovery.rollback_target()
    services = [
        {
            "service": one.name,
            "at_risk": one.at_risk.seconds,
            "rpo": one.at_risk.limit.total_seconds(),
            "restored_in": one.restored.seconds,
            "rto": one.restored.limit.total_seconds(),
        }
        for one in found.services
    ]
    drill = found.drill
    copied = ("state", "started_at", "rto_seconds", "rpo_seconds")
    return Response(
        {
            "at": found.at,
            "is_read_only": found.readonly is not None,
            "recoverable_to": found.recoverable and found.recoverable.at,
            "services": services,
            "last_backup": found.newest and _snapshot(found.newest),
            "rollback_target": target and _snapshot(target),
            "last_drill": drill and {name: getattr(drill, name) for name in copied},
            "restore": found.restore and _restore(found.restore),
        }
    )


def _decide(
    request: Request, restore_id: UUID, decide: Callable[..., Restore], status: int = HTTPStatus.OK, **options: Any
) -> Response:
    """Apply `decide` of recovery to the restore; the response is that restore, or the new one that undoes it."""
    restore = get_object_or_404(Restore, pk=restore_id)
    return _respond(_or_conflict(lambda: decide(restore_id=restore.pk, actor=me(request), **options)), status)


def _or_conflict(act: Callable[[], Row]) -> Row:
    """The result of the service; what it refuses becomes 409 with its words. Raises Refused."""
    try:
        return act()
    except (recovery.Refused, ContinuityError) as refused:
        raise Refused(HTTPStatus.CONFLICT, refused.words) from None


def _respond(restore: Restore, status: int) -> Response:
    return Response(_restore(Restore.objects.select_related(*PEOPLE).get(pk=restore.pk)), status=status)


def _snapshot(backup: Backup) -> dict[str, Any]:
    own = [name for name in SnapshotTold().get_fields() if name not in ("made_by", "is_broken_off")]
    fields = {name: getattr(backup, name) for name in own}
    return fields | {"made_by": name_of(backup.made_by), "is_broken_off": backups.broken_off(backup)}


def _restore(restore: Restore) -> dict[str, Any]:
    copied = ("id", "to_time", "emergency", "reason", "state", "failure")
    times = ("requested_at", "decided_at", "finished_at")
    return {name: getattr(restore, name) for name in (*copied, *times)} | {
        "snapshot_id": restore.backup_id,
        "is_broken_off": display.broken_off(restore),
        "step": display.current_step(restore),
        "before": restore.before_id,
        "requested_by": name_of(restore.requested_by),
        "decided_by": name_of(restore.decided_by),
    }
