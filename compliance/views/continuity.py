"""The pages Backups and recovery: overview, snapshots, and backups, verifications and drills started by hand."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import dateformat, timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from kombu.exceptions import OperationalError

from clinchat.lib import clock
from clinchat.lib.http import AuthedRequest
from compliance import audit, tasks
from compliance.access import Action, allows, door, works_read_only
from compliance.access.sessions import leaves_session_alone
from compliance.continuity import overview
from compliance.continuity.backup import backups
from compliance.continuity.restore import display, recovery
from compliance.continuity.write_guard import RECOVERY
from compliance.continuity_forms import FindSnapshotsForm, RestoreForm, SnapshotForm
from compliance.models import Backup

logger = logging.getLogger("clinchat.continuity")

ON_A_PAGE: Final = 20
REFRESH: Final = 5
"""Seconds after which a page reloads without scripts while a backup, restore or drill is under way."""


@require_safe
@door(Action.READ_CONTINUITY)
def page(request: AuthedRequest) -> HttpResponse:
    found, environments = overview.overview(), overview.environments()
    form = FindSnapshotsForm(request.GET, environments=environments)
    wanted = form.asked()
    listed = Backup.objects.filter(**wanted).select_related("made_by").order_by("-requested_at")
    shown = Paginator(listed, ON_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "found": found,
        "form": form,
        "wanted": wanted,
        "environments": environments,
        "page": shown,
        "rows": [(one, overview.backup_tag(one)) for one in shown],
        "restores": [(one, display.tag(one)) for one in found.restores],
        "may_make": allows(request.user, Action.MAKE_SNAPSHOTS),
        "may_ask": allows(request.user, Action.ASK_RESTORE),
        **refreshed(under_way=found.under_way),
    }
    return render(request, "continuity/page.html", context)


def refreshed(*, under_way: bool) -> dict[str, object]:
    """Template context of a page that reloads while something is under way."""
    return {"refresh": REFRESH if under_way else 0, "state": overview.state()}


@require_safe
@door(Action.READ_CONTINUITY)
@leaves_session_alone
def state(request: AuthedRequest) -> JsonResponse:
    """For the page's script, which reloads when this differs from the state the page was rendered with."""
    return JsonResponse({"state": overview.state()})


@works_read_only(RECOVERY)
@require_http_methods(["GET", "HEAD", "POST"])
@door(Action.MAKE_SNAPSHOTS)
def new(request: AuthedRequest) -> HttpResponse:
    form = SnapshotForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        made = backups.request(**form.cleaned_data, actor=request.user)
        messages.success(request, "The snapshot is being made. This page follows it.")
        return redirect("snapshot", made.pk)
    return render(request, "continuity/new.html", {"form": form})


@require_safe
@door(Action.READ_CONTINUITY)
def snapshot(request: AuthedRequest, backup_id: UUID) -> HttpResponse:
    return shown(request, backup_id)


def shown(request: AuthedRequest, backup_id: UUID, form: RestoreForm | None = None) -> HttpResponse:
    """The page of one snapshot; `form`: a restore request that was sent and found invalid."""
    one = get_object_or_404(Backup.objects.select_related("made_by"), pk=backup_id)
    context = {
        "one": one,
        "tag": overview.backup_tag(one),
        "broken_off": backups.broken_off(one),
        "verified": overview.verified_tag(one),
        "restores": [(each, display.tag(each)) for each in one.restores.select_related("requested_by")],
        "drills": [(each, overview.drill_tag(each)) for each in one.drills.all()],
        "open": display.open_restore(),
        "form": form or RestoreForm(reach=recovery.recoverable_range(one)),
        "may_make": allows(request.user, Action.MAKE_SNAPSHOTS),
        "may_ask": allows(request.user, Action.ASK_RESTORE) and display.restorable(one),
        **refreshed(under_way=one.state in {Backup.State.WAITING, Backup.State.RUNNING}),
    }
    return render(request, "continuity/snapshot.html", context)


@works_read_only(RECOVERY)
@require_POST
@door(Action.MAKE_SNAPSHOTS)
def back_up(request: AuthedRequest) -> HttpResponse:
    """Request a full backup now, named after the current minute."""
    now = dateformat.format(timezone.localtime(clock.now()), "M j, Y H:i")
    backups.request(type=Backup.Type.MANUAL, name=f"By hand {now}", reason="Asked for on the page.", actor=request.user)
    messages.success(request, "The backup is being made. This page follows it.")
    return redirect("continuity")


@works_read_only(RECOVERY)
@require_POST
@door(Action.MAKE_SNAPSHOTS)
def verify(request: AuthedRequest, backup_id: UUID) -> HttpResponse:
    one = get_object_or_404(Backup, pk=backup_id, state=Backup.State.COMPLETE)
    _queue(request, lambda: tasks.verify_backup.delay(str(one.pk)), one, "It is being read back; that takes a while.")
    return redirect("snapshot", one.pk)


@works_read_only(RECOVERY)
@require_POST
@door(Action.MAKE_SNAPSHOTS)
def drill(request: AuthedRequest) -> HttpResponse:
    _queue(
        request,
        tasks.run_drill.delay,
        None,
        "The drill is asked for. It takes a minute or more; what it finds is shown here.",
    )
    return redirect("continuity")


def _queue(request: AuthedRequest, send: Callable[[], object], about: Backup | None, words: str) -> None:
    """Record an audit event and send a task; a message says whether the queue took it."""
    kind, named = ("compliance.Backup", str(about.pk)) if about else ("compliance.Drill", "")
    audit.record(code=audit.Code.SENSITIVE_READ, action=audit.Crude.EXECUTE, object_type=kind, object_id=named)
    try:
        send()
    except OperationalError as error:
        logger.warning("not queued: %s", type(error).__name__)
        messages.error(request, "It could not be started: the task queue does not answer. Try later.")
    else:
        messages.success(request, words)
