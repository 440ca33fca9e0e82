"""Every address of the portal. Each app owns its own; compliance.access decides who may open them."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("compliance.urls")),
    path("", include("chat.urls")),
    path("", include("training.urls")),
    path("api/", include("compliance.api.urls")),
    path("api/", include("chat.api.urls")),
    path("api/", include("training.api.urls")),
    path("admin/", admin.site.urls),
]

handler400 = "compliance.views.errors.bad_request"
handler403 = "compliance.views.errors.forbidden"
handler404 = "compliance.views.errors.not_found"
handler500 = "compliance.views.errors.server_error"
