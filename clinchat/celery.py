"""The Celery application and everything that runs on a schedule."""

from __future__ import annotations

import logging.config
import os
import sys
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery import Task as CeleryTask
from celery.signals import beat_init, setup_logging, worker_init, worker_ready, worker_shutdown

from clinchat.lib.queues import Queues
from compliance import logs

if TYPE_CHECKING:
    TaskBase = CeleryTask[Any, Any]
else:
    TaskBase = CeleryTask

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinchat.settings")

HEADER = "clinchat_audit"


class Task(TaskBase):
    """A task acts for whoever sent it: its audit events carry their name, session and correlation id."""

    abstract = True

    def apply_async(self, *args: Any, **options: Any) -> Any:
        from compliance import audit

        options["headers"] = {**(options.get("headers") or {}), HEADER: audit.carry()}
        return super().apply_async(*args, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from compliance import audit
        from compliance.continuity import maintenance, write_guard
        from compliance.controls import clocks

        if self.request.called_directly:  # part of the caller's own work
            return self.run(*args, **kwargs)
        clocks.note()
        header = (self.request.headers or {}).get(HEADER)
        with audit.bind_task(name=self.name, task_id=self.request.id or "", header=header):
            if maintenance.on() and not write_guard.runs_in_read_only(self):
                return self._wait(args, kwargs)
            try:
                return self.run(*args, **kwargs)
            except write_guard.ReadOnlyNow:  # it came on meanwhile
                return self._wait(args, kwargs)

    def _wait(self, args: Any, kwargs: Any) -> None:
        """ClinChat is read-only: a task of the schedule is left out, and one that somebody waits for comes again."""
        from compliance.continuity import write_guard

        if not write_guard.is_scheduled(self):
            self.apply_async(args, kwargs, countdown=write_guard.RETRY_SECONDS, task_id=self.request.id)


app = Celery("clinchat", task_cls=Task)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def _write_lines(**_: Any) -> None:
    """Instead of the handlers Celery would install. `--loglevel` has no say: CLINCHAT_LOG_LEVEL is the level."""
    from django.conf import settings

    logs.serve()
    sys.__stdout__ = sys.__stderr__  # type: ignore[misc]  # where Celery says, past all logging, that it stops
    logging.config.dictConfig(settings.LOGGING)


@worker_init.connect
def _can_search(sender: Any, **_: Any) -> None:
    if {Queues.ANSWERS, Queues.EMBEDDING} & set(app.amqp.queues.consume_from):
        logs.serve()  # earlier than Celery asks for it
        _require_model()


def _require_model() -> None:
    """Ends this process, with what to do, when it cannot make the vectors of the index that is searched."""
    from django.core.exceptions import ImproperlyConfigured

    from chat import starting

    try:
        starting.require_model()
    except ImproperlyConfigured as wrong:  # a signal's handler may only end the process like this
        sys.excepthook(type(wrong), wrong, wrong.__traceback__)
        raise SystemExit(1) from None


@worker_ready.connect
def _started(sender: Any, **_: Any) -> None:
    from compliance.audit import lifecycle

    lifecycle.started(sender.hostname)


@worker_shutdown.connect
def _stopped(sender: Any, **_: Any) -> None:
    from compliance.audit import lifecycle

    lifecycle.stopped(sender.hostname)
    if Queues.SEALING in app.amqp.queues.consume_from:
        from compliance import tasks

        tasks.seal_events()


@beat_init.connect
def _stay_small(**_: Any) -> None:
    """Beat has next to nothing to say, and its memory is limited to less than the masker's lists take."""
    logs.serve(masker=False)
    _require_model()
