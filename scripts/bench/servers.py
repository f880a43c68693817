"""What stands behind the balancers: web servers, iperf3 and a DNS server.

Beside them is what Deston under gunicorn's own worker is compared with: an application that says hello.

What lives here: their processes, the bodies and certificates that they serve, and the 500 addresses.
What must not: balancers, load.
Invariant: every balancer has the same servers, and the right answers are known here before anything runs.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.bench.model import DATAGRAM_LAYERS, BenchError, Exchange
from scripts.bench.peers import TEMPLATES, fill
from scripts.bench.tools import find_program

SMALL = b"hello world, this is a small body of 64 bytes or thereabouts...."
SIZES = {"64k": 65536, "1m": 1048576}
POST_SIZE = 65536
MANY = 500
#: Ports that the servers need, beside those of the balancers.
PORTS = ("server_hello", "server_a", "server_b", "server_tls", "server_many", "server_bulk", "server_udp")


def body(name: str) -> bytes:
    """The body of that name: bytes by chance, and the same ones each time."""
    return random.Random(name).randbytes(SIZES[name])


GET_SMALL = Exchange("/", SMALL)
GET_64K = Exchange("/body/64k", body("64k"))
GET_1M = Exchange("/body/1m", body("1m"))
POST_64K = Exchange("/size", f"{POST_SIZE}\n".encode(), post=POST_SIZE)


@dataclass(frozen=True)
class ServerKind:
    """A server program: its templates, its command, the layers that need it, and the port of its first socket."""

    name: str
    program: str
    package: str
    templates: tuple[str, ...]
    command: tuple[str, ...]
    layers: frozenset[str]
    port: str


KINDS = (
    ServerKind(
        "web", "nginx", "Debian's nginx", ("servers.conf",), ("-c", "@here@/servers.conf", "-p", "@here@"),
        frozenset(("l4", "l7", "stock", "tls", "many")), "server_a",
    ),
    ServerKind(
        "hello", "gunicorn", "Deston itself: make venv", ("hello.py",),
        (
            "-k", "gevent", "-w", "1", "-b", "127.0.0.1:@server_hello@", "--keep-alive", "300", "--backlog", "8192",
            "--log-level", "error", "--no-control-socket", "--chdir", "@here@", "hello:app",
        ),
        frozenset(("stock",)), "server_hello",
    ),
    ServerKind(
        "iperf", "iperf3", "Debian's iperf3", (), ("-s", "-B", "127.0.0.1", "-p", "@server_bulk@"),
        frozenset(("bulk",)), "server_bulk",
    ),
    ServerKind(
        "dns", "nsd", "Debian's nsd", ("nsd.conf", "example.zone"), ("-d", "-c", "@here@/nsd.conf"),
        frozenset(DATAGRAM_LAYERS), "server_udp",
    ),
)  # fmt: skip
#: Which port of the servers a direct run of a layer goes to.
DIRECT_PORTS = {
    "l4": "server_a",
    "l7": "server_a",
    "stock": "server_hello",
    "tls": "server_tls",
    "bulk": "server_bulk",
    **dict.fromkeys(DATAGRAM_LAYERS, "server_udp"),
}


def many_addresses() -> list[str]:
    """Addresses of the loopback network, one for each of the servers of the large pool."""
    return [f"127.1.{number // 250}.{number % 250 + 1}" for number in range(MANY)]


def template_values(folder: Path, ports: Mapping[str, int], needs_many: bool) -> dict[str, str]:
    """What the templates of servers and balancers have in common."""
    port = ports["server_many"]
    many = many_addresses() if needs_many else []
    return {
        **{name: str(number) for name, number in ports.items()},
        "folder": str(folder),
        "small": SMALL.decode(),
        "many_listens": " ".join(f"listen {address}:{port} backlog=512;" for address in many),
        "many_haproxy": "\n".join(f"  server s{number} {one}:{port}" for number, one in enumerate(many)),
        "many_deston": "\n".join(f"        s{number} = {one}:{port}" for number, one in enumerate(many)),
    }


def write_files(folder: Path) -> None:
    """Bodies, DNS queries, and a certificate of our own making with its key."""
    (folder / "body").mkdir()
    for name in SIZES:
        (folder / "body" / name).write_bytes(body(name))
    (folder / "queries").write_text("www.example.com A\n", encoding="utf-8")
    folder.chmod(0o755)  # nginx drops its rights, and has to read them.
    make_certificate(folder)


def make_certificate(folder: Path) -> None:
    """A certificate for 127.0.0.1 with an elliptic key, as one file, as its key, and both in one."""
    openssl = find_program("openssl")
    if not openssl:
        raise BenchError("openssl is missing: install Debian's openssl")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    command = [openssl, "req", "-x509", *curve, "-nodes", "-days", "2", *names, "-keyout", str(key)]
    subprocess.run([*command, "-out", str(certificate)], check=True, capture_output=True)
    (folder / "both.pem").write_bytes(certificate.read_bytes() + key.read_bytes())


def write_templates(names: tuple[str, ...], here: Path, values: Mapping[str, str]) -> None:
    """Fill templates, and put them into a folder."""
    here.mkdir(exist_ok=True)
    for name in names:
        text = (TEMPLATES / name).read_text(encoding="utf-8")
        (here / name).write_text(fill(text, values), encoding="utf-8")
