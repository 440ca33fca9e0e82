"""What a process gives up before it reads a file of a stranger: memory, time, files, network, other programs.

Two walls: limits, call filter and Landlock of the kernel, where it has them, and an audit hook in Python, always.
What it may still read are the libraries: not our keys and files, nor the environment of the process that started it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from pathlib import Path
from typing import Any

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 1, 38, 22, 2
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | 1  # SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO with EPERM
MACHINES = {
    # machine: (audit architecture, numbers of socket, connect, bind, sendto, ptrace, process_vm_readv and _writev,
    # tkill, tgkill and what is one number everywhere, of execve, execveat, kill)
    "x86_64": (0xC000003E, (41, 42, 49, 44, 101, 310, 311, 200, 234, *(ANYWHERE := (424, 425, 438))), (59, 322, 62)),
    "aarch64": (0xC00000B7, (198, 203, 200, 206, 117, 270, 271, 130, 131, *ANYWHERE), (221, 281, 129)),
}
"""ANYWHERE: pidfd_send_signal, io_uring_setup (it opens sockets too), pidfd_getfd."""
X32 = 0x40000000
"""Numbers from here on are those of another table on x86-64."""
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
REFUSED = (
    *("socket.", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty"),
    *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown"),
    *("shutil.", "pty.", "sqlite3.", "os.kill"),
)


LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT, BENEATH = 444, 445, 446, 1
HANDLED, READ_FILE, READ_DIR = 0x1FFE, 1 << 2, 1 << 3
"""All rights of Landlock's first version but to execute, which the filter takes."""
READABLE = tuple(
    os.path.realpath(path)
    for path in (
        *(sys.prefix, sys.base_prefix, Path(__file__).parents[2], "/usr", "/lib", "/lib64"),
        *("/etc/fonts", "/etc/ld.so.cache", "/etc/localtime", "/etc/mime.types"),
        *("/dev/null", "/dev/urandom", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu"),
    )
    if os.path.exists(path)  # noqa: PTH110  # str and Path
)
"""Where libraries, fonts and what they ask of the machine are."""


class Refused(Exception):
    """The process tried something it gave up."""


def limit(*, memory: int, seconds: int, output: int) -> None:
    """Bounds of the kernel on this process; what it starts inherits them."""
    for kind, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, output),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        # Time has a second more until the kernel kills: first it says that time was the reason.
        after = value + 1 if kind == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY else value
        resource.setrlimit(kind, (value, after))


def cut_off(*, program: str = "") -> None:
    """No network and no other program, `program` excepted. Best effort in the kernel, sure in Python."""
    with contextlib.suppress(OSError, AttributeError, ValueError):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # nobody waits for the answer of an orphan
        libc.unshare(CLONE_NEWUSER | CLONE_NEWNET)
        if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
            _fence(libc)
            _filter(libc, programs=bool(program))
    sys.addaudithook(_hook(program))


def _fence(libc: Any) -> None:
    """Landlock: no file is read but beneath READABLE, none is written, and no process outside is looked into."""
    rights = struct.pack("Q", HANDLED)
    rules = libc.syscall(LANDLOCK_CREATE, rights, len(rights), 0)
    if rules < 0:
        return
    for path in READABLE:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        allowed = READ_FILE | READ_DIR if os.path.isdir(path) else READ_FILE  # noqa: PTH112
        libc.syscall(LANDLOCK_ADD, rules, BENEATH, struct.pack("=Qi", allowed, place), 0)
        os.close(place)
    libc.syscall(LANDLOCK_RESTRICT, rules, 0)
    os.close(rules)


def _filter(libc: Any, *, programs: bool) -> None:
    """A system call filter: socket, connect and the like fail, and execve unless a program may run."""
    known = MACHINES.get(platform.machine())
    if known is None:
        return
    architecture, network, starts = known
    numbers = network if programs else network + starts
    load, equal, at_least, answer = 0x20, 0x15, 0x35, 0x06
    rules = [(load, 0, 0, 4), (equal, 1, 0, architecture), (answer, 0, 0, REFUSE), (load, 0, 0, 0)]
    if platform.machine() == "x86_64":
        rules += [(at_least, 0, 1, X32), (answer, 0, 0, REFUSE)]
    for number in numbers:
        rules += [(equal, 0, 1, number), (answer, 0, 0, REFUSE)]
    rules.append((answer, 0, 0, ALLOW))
    code = b"".join(struct.pack("HBBI", *rule) for rule in rules)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(rules), ctypes.addressof(buffer))
    libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(program), 0, 0)


def _hook(program: str) -> Any:
    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            mode, flags = arguments[1], arguments[2]
            writes = any(c in mode for c in "wax+") if isinstance(mode, str) else False
            if (writes or (isinstance(flags, int) and flags & WRITES)) and not isinstance(arguments[0], int):
                raise Refused(event)
            if not isinstance(arguments[0], int) and not _readable(arguments[0]):
                raise PermissionError(errno.EACCES, "not a file of the libraries")  # as the kernel says it
        elif event == "os.kill" and program and _is_child(arguments[0]):
            return  # one that takes too long
        elif event.startswith(REFUSED):
            mine = event in {"subprocess.Popen", "os.posix_spawn", "os.fork", "os.exec"} and program
            if not (mine and arguments and os.fsdecode(arguments[0] or "") == program):
                raise Refused(event)

    return refuse


def _readable(path: Any) -> bool:
    real = os.path.realpath(os.fsdecode(path))
    return any(real == place or real.startswith(place + os.sep) for place in READABLE)


def _is_child(process: int) -> bool:
    try:
        os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
