"""Make the keys and passwords of a compose installation, once: `sudo python3 deploy/make_secrets.py /etc/clinchat`.

Each file belongs to the account that reads it in its container and to nobody else; compose mounts it as it is.
An existing file is never touched: a new sealing key would leave every masked value closed for good.
"""

from __future__ import annotations

import base64
import os
import secrets
import sys
from pathlib import Path

APP, POSTGRES = 10001, 999  # `user:` of the services in compose.yaml


def main(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    password = folder / "database_password"
    made = [
        _make(folder / "secret_key", secrets.token_urlsafe(48), APP),
        _make(folder / "sealing_key", base64.b64encode(secrets.token_bytes(32)).decode(), APP),
        _make(folder / "database_admin_password", secrets.token_urlsafe(32), POSTGRES),
        _make(password, secrets.token_urlsafe(32), POSTGRES),
        _make(folder / "pgpass", f"db:5432:clinchat:clinchat:{password.read_text().strip()}", APP),
    ]
    told = "\n".join(f"made {path}" for path in made if path) or f"{folder} is complete; nothing was changed"
    sys.stdout.write(f"{told}\n")


def _make(path: Path, value: str, owner: int) -> Path | None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    except FileExistsError:
        return None
    with os.fdopen(descriptor, "w") as file:
        file.write(value + "\n")
        os.fchown(file.fileno(), owner, owner)
    return path


if __name__ == "__main__":
    if len(sys.argv) != 2 or os.geteuid() != 0:
        sys.exit("Run it as root and name a folder: sudo python3 deploy/make_secrets.py /etc/clinchat")
    main(Path(sys.argv[1]))
