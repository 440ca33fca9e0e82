"""Describes connection errors for operators, in our own words: texts of servers and libraries are never shown."""

from __future__ import annotations

import socket
import ssl
from typing import Final

import psycopg
import redis

from compliance import mail
from compliance.logs.faults import chain, kind

_REASONS: Final[tuple[tuple[type[BaseException], str], ...]] = (
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
"""Exception types in order of precedence, and their text. Matched against the error and its causes."""


def describe(error: BaseException) -> str:
    """Why the server was not reached, by the type of the error; for an unknown type its name, to look up."""
    errors = list(chain(error))
    return next((words for known, words in _REASONS if any(isinstance(one, known) for one in errors)), kind(error))
