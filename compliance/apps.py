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
        from django.conf import settings
        from django.db.backends.signals import connection_created
        from django.db.models.signals import post_migrate

        from compliance import access, checks, demo, external_services, mail, masked_texts, phi, watched  # noqa: F401  # the checks register themselves
        from compliance.access import people
        from compliance.audit import triggers
        from compliance.continuity import gauges, integrity, write_guard
        from compliance.continuity.deletion import compliance_rules
        from compliance.controls import catalogue, figures, own  # noqa: F401
        from compliance.logs import database
        from compliance.models import User
        from compliance.registers import examples
        from compliance.reports import own as reports

        phi.configure(ner=settings.PHI_NER, deadline_seconds=settings.PHI_DEADLINE_SECONDS)
        watched.register()
        masked_texts.register_own()
        mail.register()
        catalogue.require()
        figures.register()
        integrity.register_gauges()
        external_services.register()
        gauges.register()
        reports.register()
        compliance_rules.register()
        access.rule_for(User, people.rule)
        demo.also(examples.furnish)
        connection_created.connect(triggers.on_connection)
        connection_created.connect(write_guard.install)
        database.watch()
        post_migrate.connect(triggers.after_migrate, sender=self)
