"""Exit code 0 when the web process of this container answers. Needs no shell and nothing but Python."""

from __future__ import annotations

import http.client
import os
import sys

# A name of ALLOWED_HOSTS: the health check must not be an exception to the rule that turns others away.
host = os.environ.get("CLINCHAT_HOSTS", "").split(",")[0].strip().lstrip("*.") or "localhost"
port = int(os.environ.get("CLINCHAT_BIND", "").rpartition(":")[2] or 8000)
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=4)
try:
    connection.request("GET", "/api/health", headers={"Host": host})
    sys.exit(connection.getresponse().status != 200)
except (OSError, http.client.HTTPException):
    sys.exit(1)
