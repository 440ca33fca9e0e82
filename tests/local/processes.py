"""Names for what the fixtures of this folder give."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

# start("-c", code, NAME="value") runs this Python in the background with the test's var/.
Start = Callable[..., subprocess.Popen[str]]
# user() is a process that uses the services until its standard input closes.
User = Callable[[], subprocess.Popen[str]]
