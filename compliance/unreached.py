"""Why a server was not reached, in words for an operator. What it or the library said is never among them."""

from __future__ import annotations

import socket
import ssl
from typing import Final

import psycopg
import redis

from compliance import mail
from compliance.logs.faults import chain, kind

_WHY: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (TimeoutError, "it takes connections and does not answer, or no way leads there"),
    (redis.TimeoutError, "it does not answer"),
    (ConnectionRefusedError, "nothing runs at that address and port"),
    (socket.gaierror, "the name of its host is not known"),
    (FileNotFoundError, "its socket or file is not there"),
    (PermissionError, "the system does not let us"),
    (ssl.SSLCertVerificationError, "its certificate is not one that is trusted here"),
    (ssl.SSLError, "it does not speak TLS as we do"),
    *mail.UNREACHED,
    (redis.AuthenticationError, "it refuses our account"),
    (redis.ResponseError, "it does not take our commands"),
    (ConnectionError, "it ended the connection"),
    (psycopg.OperationalError, "it does not run there, or refuses our account"),
    (OSError, "no way leads there"),
)
"""The first that fits counts, of the error or of what it came from."""


def unreached(error: BaseException) -> str:
    """Why, as far as the kind of the error tells; else that kind, which an operator can look up."""
    errors = list(chain(error))
    return next((words for known, words in _WHY if any(isinstance(one, known) for one in errors)), kind(error))
