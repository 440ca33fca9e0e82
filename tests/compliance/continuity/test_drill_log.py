"""A drill where base copies and the log are kept: the newest moment is recovered and asked as well."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from django.test import override_settings

from compliance.continuity.backup import backups
from compliance.continuity.drill import drills
from compliance.continuity.point_in_time import moment, shipping
from compliance.models import Backup, Drill, User
from tests import cast
from tests.compliance.continuity import installation


@pytest.mark.usefixtures("in_memory")
@pytest.mark.django_db(transaction=True)
def test_the_newest_moment_is_asked_too(tmp_path: Path) -> None:
    """What was committed after the backup, and after the copy of the files, comes back by the log."""
    with installation.furnished(tmp_path), override_settings(BACKUP_PITR=True):
        full = backups.create(type=Backup.Type.MANUAL, name="For the drill")
        over = threading.Event()
        how = {"report": lambda _: None, "seconds": 0.2, "stop": over}
        thread = threading.Thread(target=shipping.run, kwargs=how)
        thread.start()
        try:
            backups.create(type=Backup.Type.MANUAL, name="Copy", kind=Backup.Kind.BASE)
            alice = User.objects.filter(pk=cast.alice().pk)
            alice.update(title="Changed later")
            written = time.time()
            deadline = time.monotonic() + 120
            while (covered := moment.recovery_window()) is None or covered[1].timestamp() < written:
                assert time.monotonic() < deadline, "the log is not shipped"
                alice.update(title="Changed later")  # where nobody writes, the server lets its log rest for 15 seconds
                time.sleep(0.2)
        finally:
            over.set()
            thread.join()
        drill = drills.run()
    assert drill.state == Drill.State.PASSED, drill.failure
    asked = {one["key"] for one in drill.assertions}
    assert {"log.trail", "log.people", "log.sign_in", "log.vector_search"} <= asked
    assert "log.rows" not in asked, "it holds more than the backup"
    assert {"recover", "ask_log"} <= set(drill.steps)
    assert drill.rpo_seconds is not None
    assert full.as_of is not None
    assert drill.rpo_seconds < (drill.started_at - full.as_of).total_seconds(), "the log reaches further"
