"""The Celery application and everything that runs on a schedule."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinchat.settings")

app = Celery("clinchat")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
