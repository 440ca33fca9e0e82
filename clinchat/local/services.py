"""Start PostgreSQL and Redis for whoever needs them; the last process to leave stops them.

Every process that uses them holds a shared lock on run/users.lock. At exit it asks for the exclusive lock,
without waiting: the one that gets it was the last, and stops both while newcomers wait. A second lock makes
starters queue. The system drops a lock when its process dies, so a crash leaves no false count behind.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import signal
from collections.abc import Callable
from pathlib import Path

from clinchat.local import postgres, redis_server
from clinchat.local.folders import open_var, passage, private_folder, storage_errors
from clinchat.local.paths import Paths, paths

# Descriptor of the shared lock and the process that took it, by lock file. A forked child inherits the entry
# but not the duty: the lock belongs to the process that opened it.
_held: dict[Path, tuple[int, int]] = {}


def silent(line: str) -> None:
    """The default of `say`: no progress is shown."""


def embedded(address: str) -> bool:
    """Whether the service whose address this variable would give is ours to start."""
    return not os.environ.get(address, "").strip()


def ensure_services(*, say: Callable[[str], None] = silent) -> None:
    """Start what is not running nor given by DATABASE_URL or REDIS_URL; it stays while this process lives.

    Raises LocalError with one line for the operator. `say` receives a line for each step that takes time.
    """
    own_postgres, own_redis = embedded("DATABASE_URL"), embedded("REDIS_URL")
    if not (own_postgres or own_redis):
        return
    place = paths()
    open_var(place.var)
    private_folder(place.run, mode=passage())
    private_folder(place.log)
    _hold(place)
    with storage_errors(place.var), os.fdopen(open_lock(place.run / "start.lock")) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if own_postgres:
            # They speak of the operator's other servers, and libpq and PostgreSQL would both listen to them.
            for name in [name for name in os.environ if name.startswith("PG")]:
                del os.environ[name]
            postgres.ensure(place, say=say)
        if own_redis:
            redis_server.ensure(place, say=say)


def open_lock(path: Path) -> int:
    with storage_errors(path):
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _hold(place: Paths) -> None:
    lock_file = place.run / "users.lock"
    if _held.get(lock_file, (0, 0))[1] == os.getpid():
        return
    descriptor = open_lock(lock_file)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    _held[lock_file] = (descriptor, os.getpid())
    atexit.register(_leave, place, os.getpid())


def _leave(place: Paths, holder: int) -> None:
    if os.getpid() == holder:  # and not a child that was forked and ends as Python does
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # an impatient Ctrl-C would leave one of the two behind
        release(place)


def release(place: Paths) -> bool:
    """Leave the services; stop them and return True when nobody else uses them."""
    descriptor, holder = _held.pop(place.run / "users.lock", (0, 0))
    if holder != os.getpid():
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        redis_server.stop(place)
        postgres.stop(place)
        return True
    finally:
        os.close(descriptor)
