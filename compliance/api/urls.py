"""Addresses below /api/."""

from __future__ import annotations

from django.urls import path

from compliance.api import auth, continuity, feedback, maintenance, phi, schema, security, views

urlpatterns = [
    path("health", views.alive, name="api-health"),
    path("ready", views.ready, name="api-ready"),
    path("health/system", views.system, name="api-system"),
    path("health/services", views.services, name="api-services"),
    path("health/<slug:name>", views.service, name="api-service"),
    path("admin/phi-detection/status", phi.status, name="api-phi-status"),
    path("config/maintenance", maintenance.switch, name="api-maintenance"),
    path("config/maintenance/move", maintenance.move, name="api-maintenance-move"),
    path("config/maintenance/cancel", maintenance.cancel, name="api-maintenance-cancel"),
    path("schema/", schema.schema, name="api-schema"),
    path("auth/login", auth.login, name="api-login"),
    path("auth/mfa/verify", auth.second_factor, name="api-second-factor"),
    path("auth/verify", auth.verify, name="api-verify"),
    path("auth/refresh", auth.refresh, name="api-refresh"),
    path("auth/logout", auth.logout, name="api-logout"),
    path("auth/revoke-all-sessions", auth.revoke_all_sessions, name="api-revoke-all-sessions"),
    path("feedback", feedback.feedback, name="api-feedback"),
    path("feedback/<uuid:remark_id>", feedback.one, name="api-remark"),
    path("feedback/<uuid:remark_id>/reply", feedback.reply, name="api-remark-reply"),
    path("snapshots", continuity.snapshots, name="api-snapshots"),
    path("snapshots/<uuid:backup_id>", continuity.snapshot, name="api-snapshot"),
    path("recovery/status", continuity.status, name="api-recovery-status"),
    path("recovery/restore", continuity.restore, name="api-restore"),
    path("recovery/restore/<uuid:restore_id>/approve", continuity.approve, name="api-restore-approve"),
    path("recovery/restore/<uuid:restore_id>/cancel", continuity.cancel, name="api-restore-cancel"),
    path("recovery/restore/<uuid:restore_id>/accept", continuity.accept, name="api-restore-accept"),
    path("recovery/restore/<uuid:restore_id>/undo", continuity.undo, name="api-restore-undo"),
    path("recovery/emergency-rollback", continuity.emergency_rollback, name="api-emergency-rollback"),
    path("security/block-ip", security.block_ip, name="api-block-ip"),
    path("security/unblock-ip", security.unblock_ip, name="api-unblock-ip"),
]
