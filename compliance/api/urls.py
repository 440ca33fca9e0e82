"""Addresses below /api/."""

from __future__ import annotations

from django.urls import path

from compliance.api import auth, feedback, phi, schema, security, views

urlpatterns = [
    path("health", views.alive, name="api-health"),
    path("ready", views.ready, name="api-ready"),
    path("health/system", views.system, name="api-system"),
    path("admin/phi-detection/status", phi.status, name="api-phi-status"),
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
    path("security/block-ip", security.block_ip, name="api-block-ip"),
    path("security/unblock-ip", security.unblock_ip, name="api-unblock-ip"),
]
