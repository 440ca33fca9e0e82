"""What beat starts, how often, and on which queue.

A task that waited longer than `expires` seconds is dropped: the next one does its work.
"""

from __future__ import annotations

from typing import Any

from celery.schedules import crontab

EVERY: dict[str, dict[str, Any]] = {
    "seal-events": {
        "task": "compliance.tasks.seal_events",
        "schedule": 2.0,
        "options": {"queue": "sealing", "expires": 2},
    },
    "make-months": {
        "task": "compliance.tasks.make_months",
        "schedule": crontab(hour="*/6", minute="5"),
        "options": {"queue": "sealing", "expires": 3600},
    },
    "verify-recent": {
        "task": "compliance.tasks.verify_recent",
        "schedule": crontab(minute="*/10"),
        "options": {"queue": "maintenance", "expires": 600},
    },
    "verify-all": {
        "task": "compliance.tasks.verify_all",
        "schedule": crontab(hour="2,14", minute="30"),  # audit.chain_verifies takes one of 24 hours at most
        "options": {"queue": "maintenance", "expires": 3600},
    },
    "run-checks": {
        "task": "compliance.tasks.run_checks",
        "schedule": 60.0,
        "options": {"queue": "maintenance", "expires": 60},
    },
    "run-keepers-checks": {
        "task": "compliance.tasks.run_keepers_checks",
        "schedule": crontab(minute="*/10"),
        "options": {"queue": "recovery", "expires": 600},
    },
    "run-drill": {
        "task": "compliance.tasks.run_drill",
        "schedule": crontab(day_of_week="sun,wed", hour="1", minute="0"),  # within seven days, however long it takes
        "options": {"queue": "recovery", "expires": 12 * 3600},
    },
    "make-monthly-report": {
        "task": "compliance.tasks.make_monthly_report",
        "schedule": crontab(minute="10"),
        "options": {"queue": "maintenance", "expires": 3600},
    },
    "send-mail": {
        "task": "compliance.tasks.send_mail",
        "schedule": 30.0,
        "options": {"queue": "maintenance", "expires": 30},
    },
    "remind-of-training": {
        "task": "training.tasks.remind_of_training",
        "schedule": crontab(hour="7", minute="20"),
        "options": {"queue": "maintenance", "expires": 3600},
    },
    "send-statements": {
        "task": "training.tasks.send_statements",
        "schedule": 60.0,
        "options": {"queue": "maintenance", "expires": 60},
    },
    "remind-of-emergencies": {
        "task": "compliance.tasks.remind_of_emergencies",
        "schedule": crontab(hour="7", minute="0"),
        "options": {"queue": "maintenance", "expires": 3600},
    },
    "remind-of-mask-reports": {
        "task": "compliance.tasks.remind_of_mask_reports",
        "schedule": crontab(day_of_week="1", hour="7", minute="0"),
        "options": {"queue": "maintenance", "expires": 3600},
    },
    "end-sessions": {
        "task": "compliance.tasks.end_sessions",
        "schedule": 60.0,
        "options": {"queue": "maintenance", "expires": 60},
    },
    "review-accounts": {
        "task": "compliance.tasks.review_accounts",
        "schedule": crontab(hour="3", minute="10"),
        "options": {"queue": "maintenance", "expires": 3600},
    },
    "review-roles": {
        "task": "compliance.tasks.review_roles",
        "schedule": crontab(hour="3", minute="20"),
        "options": {"queue": "maintenance", "expires": 3600},
    },
    "remind-of-interaction-changes": {
        "task": "chat.tasks.remind_of_interaction_changes",
        "schedule": crontab(day_of_week="1", hour="7", minute="10"),
        "options": {"queue": "maintenance", "expires": 3600},
    },
    "offer-interaction-table": {
        "task": "chat.tasks.offer_interaction_table",
        "schedule": crontab(minute="*/10"),
        "options": {"queue": "maintenance", "expires": 600},
    },
    "fail-lost-answers": {
        "task": "chat.tasks.fail_lost_answers",
        "schedule": 10.0,
        "options": {"queue": "maintenance", "expires": 10},
    },
    "purge-expired": {
        "task": "compliance.tasks.purge_expired",
        "schedule": crontab(hour="3", minute="30"),
        "options": {"queue": "maintenance", "expires": 3600},
    },
    "read-lost-uploads": {
        "task": "chat.tasks.read_lost_uploads",
        "schedule": 30.0,
        "options": {"queue": "maintenance", "expires": 30},
    },
    "keep-interactions-backup": {
        "task": "chat.tasks.keep_interactions_backup",
        "schedule": 60.0,
        "options": {"queue": "maintenance", "expires": 60},
    },
    "finish-overdue-attempts": {
        "task": "training.tasks.finish_overdue_attempts",
        "schedule": 60.0,
        "options": {"queue": "maintenance", "expires": 60},
    },
    "resume-embedding": {
        "task": "chat.tasks.embed_waiting_chunks",
        "schedule": 60.0,
        "options": {"queue": "embedding", "expires": 60},
    },
    "make-scheduled-backup": {
        "task": "compliance.tasks.make_scheduled_backup",
        "schedule": crontab(hour="*/6", minute="20"),
        "options": {"queue": "recovery", "expires": 6 * 3600},
    },
    "verify-backup-again": {
        "task": "compliance.tasks.verify_backup_again",
        "schedule": crontab(hour="1", minute="0"),
        "options": {"queue": "recovery", "expires": 6 * 3600},
    },
    "prune-backups": {
        "task": "compliance.tasks.prune_backups",
        "schedule": crontab(hour="5", minute="40"),
        "options": {"queue": "recovery", "expires": 6 * 3600},
    },
    "settle-backups": {
        "task": "compliance.tasks.settle_backups",
        "schedule": 60.0,
        "options": {"queue": "recovery", "expires": 60},
    },
    "follow-plan": {
        "task": "compliance.tasks.follow_plan",
        "schedule": 20.0,
        "options": {"queue": "sealing", "expires": 20},
    },
    "settle-recovery": {
        "task": "compliance.tasks.settle_recovery",
        "schedule": 60.0,
        "options": {"queue": "recovery", "expires": 60},
    },
    "tell-of-backups": {
        "task": "compliance.tasks.tell_of_backups",
        "schedule": crontab(day_of_week="1", hour="7", minute="30"),
        "options": {"queue": "maintenance", "expires": 3600},
    },
    "prove-index": {
        "task": "chat.tasks.prove_index",
        "schedule": crontab(hour="4", minute="0"),
        "options": {"queue": "embedding", "expires": 6 * 3600},
    },
    "check-integrity": {
        "task": "compliance.tasks.check_integrity",
        "schedule": crontab(hour="4", minute="40"),
        "options": {"queue": "recovery", "expires": 6 * 3600},
    },
    "remind-of-approvals": {
        "task": "training.tasks.remind_of_requests",
        "schedule": crontab(minute="15"),
        "options": {"queue": "maintenance", "expires": 3600},
    },
    "keep-clearances": {
        "task": "training.tasks.keep_clearances",
        "schedule": 30.0,
        "options": {"queue": "maintenance", "expires": 30},
    },
    "keep-all-clearances": {
        "task": "training.tasks.keep_all_clearances",
        "schedule": crontab(hour="3", minute="50"),
        "options": {"queue": "maintenance", "expires": 3600},
    },
}
