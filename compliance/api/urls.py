"""Addresses below /api/."""

from __future__ import annotations

from django.urls import path

from compliance.api import views

urlpatterns = [
    path("health", views.alive, name="api-health"),
    path("ready", views.ready, name="api-ready"),
]
