"""Django app configuration, and the admin site that stands in for Django's own."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class AdminConfig(admin_apps.AdminConfig):
    default = False
    default_site = "compliance.admin_site.ClinChatAdminSite"


class ComplianceConfig(AppConfig):
    name = "compliance"
    default = True

    def ready(self) -> None:
        from compliance import audit
        from compliance.models import Clearance, Code, RoleAssignment, User

        audit.watch(
            User,
            created=Code.USER_CREATED,
            updated=Code.USER_UPDATED,
            deleted=Code.USER_DELETED,
            without=("password", "last_login", "theme", "shortcuts"),
        )
        for model in (RoleAssignment, Clearance):
            audit.watch(
                model,
                created=Code.PRIVILEGE_PERMISSIONS_CHANGED,
                updated=Code.PRIVILEGE_PERMISSIONS_CHANGED,
                deleted=Code.PRIVILEGE_PERMISSIONS_CHANGED,
            )
