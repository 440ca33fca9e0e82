"""The web server: pages and event streams from one process group.

An open stream costs a thread, so workers x threads is how many people can watch an answer at once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # gunicorn does the same, but later

from compliance import logs

bind = os.environ.get("CLINCHAT_BIND") or f"127.0.0.1:{os.environ.get('CLINCHAT_PORT') or 8000}"
worker_class = "gthread"
workers = 2
threads = 64
keepalive = 5
graceful_timeout = 30
preload_app = False  # onnxruntime and database connections do not survive a fork
control_socket_disable = True  # it would be a file in $HOME that takes orders
memory = Path("/dev", "shm")
if memory.is_dir():
    worker_tmp_dir = str(memory)  # the heartbeat file must not wait for a disk
accesslog = None  # a request line can hold what a person typed; the audit trail records who did what
level = os.environ.get("CLINCHAT_LOG_LEVEL", "").strip().upper()
logconfig_dict = logs.configuration(level=level if level in logs.LEVELS else "INFO")  # the settings object to others
logs.serve(masker=False)  # in this process, which watches over the workers and handles no request


def post_worker_init(_worker: object) -> None:
    """Load the detectors before the first question, not during it. What is raised here ends the server."""
    from chat import starting
    from compliance import masking
    from compliance.audit import lifecycle

    logs.serve()
    starting.require_model()
    starting.load_interactions()
    masking.start("web")
    lifecycle.started("web")


def worker_exit(_server: object, _worker: object) -> None:
    from compliance.audit import lifecycle

    lifecycle.stopped("web")
