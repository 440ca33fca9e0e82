"""Addresses of backups, recovery and the read-only mode, below /compliance/continuity/."""

from __future__ import annotations

from django.urls import include, path

from compliance.views import continuity, continuity_restores, maintenance, retention

snapshot_urls = [
    path("new/", continuity.new, name="snapshot-new"),
    path("<uuid:backup_id>/", continuity.snapshot, name="snapshot"),
    path("<uuid:backup_id>/verify/", continuity.verify, name="snapshot-verify"),
    path("<uuid:backup_id>/restore/", continuity_restores.ask, name="snapshot-restore"),
]
restore_urls = [
    path("", continuity_restores.restores, name="restores"),
    path("rollback/", continuity_restores.rollback, name="rollback"),
    path("<uuid:restore_id>/", continuity_restores.one, name="restore"),
    path("<uuid:restore_id>/approve/", continuity_restores.approve, name="restore-approve"),
    path("<uuid:restore_id>/cancel/", continuity_restores.cancel, name="restore-cancel"),
    path("<uuid:restore_id>/accept/", continuity_restores.accept, name="restore-accept"),
    path("<uuid:restore_id>/undo/", continuity_restores.undo, name="restore-undo"),
]
urlpatterns = [
    path("", continuity.page, name="continuity"),
    path("state/", continuity.state, name="continuity-state"),
    path("backup/", continuity.back_up, name="continuity-backup"),
    path("drill/", continuity.drill, name="continuity-drill"),
    path("snapshots/", include(snapshot_urls)),
    path("restores/", include(restore_urls)),
    path("maintenance/", maintenance.page, name="maintenance"),
    path("maintenance/start/", maintenance.start, name="maintenance-start"),
    path("maintenance/end/", maintenance.end, name="maintenance-end"),
    path("maintenance/plan/", maintenance.plan, name="maintenance-plan"),
    path("maintenance/plans/<uuid:plan_id>/move/", maintenance.move, name="maintenance-move"),
    path("maintenance/plans/<uuid:plan_id>/cancel/", maintenance.cancel, name="maintenance-cancel"),
    path("retention/", retention.page, name="retention"),
    path("holds/", retention.held, name="holds"),
    path("holds/new/", retention.hold, name="hold-new"),
    path("holds/<uuid:hold_id>/end/", retention.end_hold, name="hold-end"),
    path("erasures/", retention.erasures, name="erasures"),
    path("erasures/new/", retention.ask_erasure, name="erasure-new"),
    path("erasures/<uuid:erasure_id>/approve/", retention.approve, name="erasure-approve"),
    path("erasures/<uuid:erasure_id>/cancel/", retention.cancel, name="erasure-cancel"),
]
