"""Debian's slapd with a directory of four people, on this machine, with and without TLS at once."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

from tests.certificates import Files

SLAPD = Path("/usr/sbin/slapd")
SCHEMA, MODULES = Path("/etc/ldap/schema"), Path("/usr/lib/ldap")
BASE = "dc=hospital,dc=test"
READER, READER_PASSWORD = f"cn=clinchat,{BASE}", "the reader's password"
PASSWORD = "twelve slow owls blink"
PEOPLE = {
    "lena": ("Lena Lindqvist", "lena@hospital.test"),
    "omar": ("Omar (Ward 3) *", "omar@hospital.test"),
    "twin1": ("First Twin", "twin@hospital.test"),
    "twin2": ("Second Twin", "twin@hospital.test"),
}
CONFIG = """
include {schema}/core.schema
include {schema}/cosine.schema
include {schema}/inetorgperson.schema
modulepath {modules}
moduleload back_mdb
pidfile {folder}/slapd.pid
TLSCACertificateFile {files.ca}
TLSCertificateFile {files.certificate}
TLSCertificateKeyFile {files.key}
database mdb
suffix "{base}"
rootdn "cn=root,{base}"
directory {folder}/data
index objectClass,mail eq
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{reader}" read by self read by anonymous auth by * none
"""


class Slapd:
    """`ldaps` and `ldap` are its addresses."""

    def __init__(self, folder: Path, files: Files) -> None:
        self.folder, self.files = folder, files
        (folder / "data").mkdir(parents=True)
        self.config = folder / "slapd.conf"
        self.config.write_text(
            CONFIG.format(schema=SCHEMA, modules=MODULES, folder=folder, files=files, base=BASE, reader=READER)
        )
        self.add(_tree())
        self.ports = [_free_port(), _free_port()]
        self.ldap, self.ldaps = (
            f"{scheme}://localhost:{port}" for scheme, port in zip(("ldap", "ldaps"), self.ports, strict=True)
        )
        self.process: subprocess.Popen[bytes] | None = None

    def add(self, ldif: str) -> None:
        """Put entries into the stopped directory."""
        command = ["/usr/sbin/slapadd", "-f", str(self.config)]
        subprocess.run(command, input=ldif.encode(), check=True, capture_output=True)

    def start(self) -> None:
        listens = f"ldap://127.0.0.1:{self.ports[0]}/ ldaps://127.0.0.1:{self.ports[1]}/"
        command = [str(SLAPD), "-f", str(self.config), "-h", listens, "-d", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(1200):
            try:
                socket.create_connection(("127.0.0.1", self.ports[1]), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError("slapd does not answer")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None


def person(uid: str, name: str, mail: str, *more: str) -> str:
    lines = [
        f"dn: uid={uid},ou=people,{BASE}",
        "objectClass: inetOrgPerson",
        f"uid: {uid}",
        f"cn: {name}",
        f"displayName: {name}",
        f"sn: {name.rsplit(maxsplit=1)[-1]}",
        f"mail: {mail}",
        "departmentNumber: Internal medicine",
        f"userPassword: {PASSWORD}",
        *more,
    ]
    return "\n".join(lines) + "\n\n"


def _tree() -> str:
    head = (
        f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: Hospital\ndc: hospital\n\n"
        f"dn: ou=people,{BASE}\nobjectClass: organizationalUnit\nou: people\n\n"
        f"dn: {READER}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: clinchat\n"
        f"userPassword: {READER_PASSWORD}\n\n"
    )
    return head + "".join(person(uid, *about) for uid, about in PEOPLE.items())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
