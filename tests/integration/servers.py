"""Real servers to balance over.

What lives here: named servers, nginx, Redis and PostgreSQL as processes, and certificates.
What must not: Deston's own processes (``commands``).
Invariant: a server that is handed over accepts connections; where a program is missing the test is skipped and
says which.
"""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path

import pytest

from deston.address import Address, parse_address
from tests.integration import named_server
from tests.integration.processes import Processes, Running, run, wait_until
from tests.integration.wire import is_listened_on


def find_program(name: str, *places: str) -> str:
    """The path of a program, in ``places`` too; skips the test where it is not installed."""
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", *places])
    found = shutil.which(name, path=path)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def start_named(processes: Processes, servers: Mapping[str, int]) -> tuple[Running, dict[str, Address]]:
    """One process with several named servers, on these ports; 0 is any free one."""
    arguments = [f"{name}={port}" for name, port in servers.items()]
    # -S: nothing of the virtual environment is needed, and it starts in half the time.
    running = processes.start(
        "servers " + " ".join(servers), [sys.executable, "-E", "-S", named_server.__file__, *arguments]
    )
    return running, {name: parse_address(running.wait_for(rf"^{name} listens on (\S+)")[1]) for name in servers}


class KillableServer:
    """A named server in a process of its own, which can be killed and started again at the same address."""

    def __init__(self, processes: Processes, name: str, address: Address) -> None:
        self.name = name
        self.address = address
        self._processes = processes
        self.start()

    def start(self) -> None:
        """Listen; the address was reserved for it."""
        self._running, _ = start_named(self._processes, {self.name: self.address.port})

    def kill(self) -> None:
        """Have the kernel end it; returns when its address is refused."""
        self._running.kill()


def wait_to_listen(running: Running, address: Address) -> None:
    """Wait until a process that does not say so listens on ``address``."""
    wait_until(lambda: running.has_ended or is_listened_on(address), f"{running.name} on {address}")
    assert not running.has_ended, running.output


@dataclass(frozen=True)
class Nginx:
    """Where an nginx listens, all with the same content, and the folder of that content."""

    content: Path
    http: Address
    https: Address
    unix: Address


def start_nginx(processes: Processes, folder: Path, http: Address, https: Address, certificate: Certificate) -> Nginx:
    """An nginx on these reserved addresses and on a unix socket, that serves the files of ``folder/content``."""
    program = find_program("nginx")
    (folder / "content").mkdir()
    nginx = Nginx(folder / "content", http, https, Address(path=f"{folder}/nginx.sock"))
    file = folder / "nginx.conf"
    file.write_text(_NGINX.format(folder=folder, nginx=nginx, certificate=certificate), encoding="utf-8")
    running = processes.start("nginx", [program, "-p", str(folder), "-e", "stderr", "-c", str(file)])
    for address in (nginx.http, nginx.https, nginx.unix):
        wait_to_listen(running, address)
    return nginx


_NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {nginx.http};
        listen unix:{nginx.unix.path};
        listen {nginx.https} ssl;
        ssl_certificate {certificate.file};
        ssl_certificate_key {certificate.key};
        root {nginx.content};
        add_header X-Connection $connection;
        add_header X-Host $http_host;
        location /zipped/ {{
            alias {nginx.content}/;
            gzip on;
            gzip_proxied any;
            gzip_types *;
            gzip_min_length 1;
        }}
    }}
}}
"""


@dataclass(frozen=True)
class Certificate:
    """A certificate for ``localhost`` and 127.0.0.1, its key, and the authority that signed it."""

    file: Path
    key: Path
    authority: Path


def make_certificate(folder: Path) -> Certificate:
    """An authority of our own, and a server's certificate that it has signed."""
    openssl = find_program("openssl")
    made = Certificate(folder / "server.pem", folder / "server.key", folder / "authority.pem")
    new = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    authority = ["-keyout", f"{folder}/authority.key", "-out", str(made.authority), "-subj", "/CN=Tests"]
    # Python 3.13 is strict: an authority has to say that it may sign.
    authority += ["-addext", "keyUsage=critical,keyCertSign"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    signed = ["-CA", str(made.authority), "-CAkey", f"{folder}/authority.key"]
    leaf = ["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", str(made.key), "-out", str(made.file)]
    for argv in ([*new, *authority], [*new, *names, *signed, *leaf]):
        done = run(argv)
        assert done.status == 0, done.err
    return made


def start_redis(processes: Processes, folder: Path, address: Address) -> None:
    """A Redis on a reserved address that keeps nothing."""
    argv = [find_program("redis-server"), "--bind", address.host, "--port", str(address.port)]
    running = processes.start("redis", [*argv, "--save", "", "--appendonly", "no", "--dir", str(folder)])
    running.wait_for("Ready to accept connections")


def start_dnsmasq(processes: Processes, address: Address, *options: str) -> Running:
    """A dnsmasq that knows nothing but what the options say."""
    words = [find_program("dnsmasq"), "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"]
    words += [
        "--pid-file=",
        f"--port={address.port}",
        f"--listen-address={address.host}",
        "--bind-interfaces",
        "--user=",
    ]
    running = processes.start("dnsmasq", [*words, *options])
    wait_to_listen(running, address)
    return running


def start_postgres(processes: Processes, folder: Path, address: Address) -> None:
    """A PostgreSQL on a reserved address, with a user ``tester`` who may do everything.

    It refuses to run as root, who starts it as the user ``postgres`` and gives the folder to that one.
    """
    as_user = _as_postgres(folder)
    data = ["-D", f"{folder}/data"]
    initdb = [*as_user, find_postgres("initdb"), *data, "-U", "tester", "--auth=trust", "--no-sync"]
    done = run(initdb)
    assert done.status == 0, done.err
    place = ["-h", address.host, "-p", str(address.port), "-k", str(folder)]
    running = processes.start("postgres", [*as_user, find_postgres("postgres"), *data, *place, "-F"])
    running.stop_signal = 2  # Fast: it ends the sessions that are open.
    running.wait_for("ready to accept connections")


def find_postgres(program: str) -> str:
    """A program of PostgreSQL; Debian keeps those of the server out of the path."""
    return find_program(program, *sorted(glob("/usr/lib/postgresql/*/bin"), reverse=True))


def _as_postgres(folder: Path) -> list[str]:
    if os.geteuid() != 0:
        return []
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("there is no user postgres, and PostgreSQL does not run as root")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return as_user("postgres")


def as_user(name: str) -> list[str]:
    """The words to put before a command that root runs as another user."""
    # What is measured of this process belongs to root.
    plain = ["env", "--unset=COVERAGE_PROCESS_CONFIG", "--unset=COVERAGE_PROCESS_START"]
    user = [f"--reuid={name}", f"--regid={pwd.getpwnam(name).pw_gid}", "--clear-groups"]
    return [*plain, find_program("setpriv"), *user]


def names_of(servers: Sequence[KillableServer]) -> dict[str, Address]:
    """Servers as the members of a pool."""
    return {server.name: server.address for server in servers}
