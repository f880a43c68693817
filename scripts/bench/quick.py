"""What `make bench` does: L4 and L7 beside nginx in one minute, on this machine.

What lives here: two servers, the proxies in front of them one process each, rounds of wrk, and a table of medians.
What must not: claims. A shared machine varies by the hour; only figures of one run may be compared.
Invariant: every proxy answers rightly before it is measured, the rounds are interleaved, and nothing stays running.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from scripts.processes import ROOT, Part, answers, stop, wait_until

BIN = Path(sys.executable).parent
ROUNDS = 3
SECONDS = 5
CONNECTIONS = 64
START_SECONDS = 20.0
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
ANSWER = "hello world, this is a small body of 64 bytes or thereabouts...."

DESTON = """
[global]
run_dir = .
[listeners]
    [[tcp]]
    bind = 127.0.0.1:{l4}
    protocol = tcp
    pool = app
    [[web]]
    bind = 127.0.0.1:{l7}
    protocol = http
    pool = app
[pools]
    [[app]]
        [[[servers]]]
        a = 127.0.0.1:{a}
        b = 127.0.0.1:{b}
"""
NGINX = """
daemon off; worker_processes 1; pid {folder}/{name}.pid; error_log {folder}/{name}.log crit;
{load}
events {{ worker_connections 8192; }}
{stream}
http {{
    access_log off; keepalive_requests 100000000;
    client_body_temp_path {folder}/{name}-1; proxy_temp_path {folder}/{name}-2; fastcgi_temp_path {folder}/{name}-3;
    uwsgi_temp_path {folder}/{name}-4; scgi_temp_path {folder}/{name}-5;
    {http}
}}
"""
NGINX_SERVERS = """
    server {{ listen 127.0.0.1:{a}; listen 127.0.0.1:{b}; location / {{ return 200 "{answer}\\n"; }} }}
"""
NGINX_HTTP = """
    upstream app {{ server 127.0.0.1:{a}; server 127.0.0.1:{b}; keepalive 256; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{nginx_http};
        location / {{
            proxy_pass http://app; proxy_http_version 1.1;
            proxy_set_header Connection ""; proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
    }}
"""
NGINX_STREAM = """
stream {{
    upstream app {{ server 127.0.0.1:{a}; server 127.0.0.1:{b}; }}
    server {{ listen 127.0.0.1:{nginx_tcp}; proxy_pass app; }}
}}
"""


@dataclass
class Target:
    """Something to measure, and what was measured: requests a second, microseconds of CPU a request."""

    title: str
    part: Part
    port: int
    peer: str = ""
    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)


def free_ports(names: list[str]) -> dict[str, int]:
    """A free port of 127.0.0.1 for each name."""
    probes = {name: socket.create_server(("127.0.0.1", 0)) for name in names}
    ports = {name: probe.getsockname()[1] for name, probe in probes.items()}
    for probe in probes.values():
        probe.close()
    return ports


def create_servers(folder: Path, ports: dict[str, int]) -> list[Part]:
    """Two servers; nginx plays both where it is installed, because the demo servers would be the bottleneck."""
    if shutil.which("nginx"):
        config = NGINX_SERVERS.format(**ports, answer=ANSWER)
        return [create_nginx("servers", folder, ports["a"], http=config)]
    demo = [sys.executable, str(ROOT / "scripts" / "demo_server.py")]
    return [Part(name, ports[name], [*demo, name, str(ports[name])], is_quiet=True) for name in ("a", "b")]


def create_nginx(name: str, folder: Path, port: int, http: str, stream: str = "") -> Part:
    """An nginx of one worker that opens, among others, this port."""
    load = f"load_module {STREAM_MODULE};" if stream else ""
    file = folder / f"{name}.conf"
    file.write_text(NGINX.format(folder=folder, name=name, load=load, http=http, stream=stream), encoding="utf-8")
    return Part(name, port, ["nginx", "-c", str(file), "-p", str(folder)], is_quiet=True)


def create_targets(folder: Path, ports: dict[str, int]) -> list[Target]:
    """Deston's two commands, and nginx as their peer where it is installed."""
    file = folder / "deston.conf"
    file.write_text(DESTON.format(**ports), encoding="utf-8")
    l4 = [str(BIN / "deston-l4"), "--config", str(file), "--log-level", "error"]
    l7 = [str(BIN / "gunicorn"), "-c", "python:deston.l7.gunicorn_conf", "deston.l7:app"]
    environment = {"DESTON_CONFIG": str(file)}
    targets = [
        Target("deston-l4", Part("l4", ports["l4"], l4, is_quiet=True), ports["l4"], "nginx, TCP"),
        Target(
            "gunicorn deston.l7:app", Part("l7", ports["l7"], l7, True, True, environment), ports["l7"], "nginx, HTTP"
        ),
    ]
    if not shutil.which("nginx"):
        return targets
    stream = NGINX_STREAM.format(**ports) if STREAM_MODULE.exists() else ""
    nginx = create_nginx("nginx", folder, ports["nginx_http"], NGINX_HTTP.format(**ports), stream)
    if stream:
        targets.append(Target("nginx, TCP", nginx, ports["nginx_tcp"]))
    return [*targets, Target("nginx, HTTP", nginx, ports["nginx_http"])]


def cpu_seconds(root: int) -> float:
    """The CPU time that a process and its living descendants have used."""
    times: dict[int, tuple[int, float]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue  # It has ended in between.
        times[int(path.parent.name)] = int(fields[1]), (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
    family = {root}
    while more := {pid for pid, (parent, _) in times.items() if parent in family} - family:
        family |= more
    return sum(times[pid][1] for pid in family if pid in times)


def check(target: Target) -> None:
    """Exit unless the target passes on what a server answers."""
    with urllib.request.urlopen(f"http://127.0.0.1:{target.port}/", timeout=5) as response:
        body = response.read().decode()
    if not body.startswith((ANSWER, "This is server ")):
        sys.exit(f"{target.title} answers wrongly: {body!r}")


def measure(target: Target) -> None:
    """One run of wrk against the target."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", f"http://127.0.0.1:{target.port}/"]
    before = cpu_seconds(target.part.pid)
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    used = cpu_seconds(target.part.pid) - before
    if trouble := re.search(r"^\s*(Socket errors|Non-2xx).*", output, re.MULTILINE):
        print(f"{target.title}: {trouble[0].strip()}")
    requests = re.search(r"(\d+) requests in", output)
    rate = re.search(r"Requests/sec:\s*([\d.]+)", output)
    if not requests or not rate or not int(requests[1]):
        sys.exit(f"{target.title}: wrk counted no request:\n{output}")
    target.rates.append(float(rate[1]))
    target.costs.append(used / int(requests[1]) * 1e6)


def report(targets: list[Target]) -> str:
    """A table: medians, the spread of the rates, and the ratio to the peer."""
    rates = {target.title: statistics.median(target.rates) for target in targets}
    lines = [f"{'':<24}{'requests/s':>12}{'lowest':>10}{'highest':>10}{'CPU µs/request':>17}{'of its peer':>14}"]
    for target in targets:
        rate, cost = rates[target.title], statistics.median(target.costs)
        ratio = f"{rate / rates[target.peer]:.2f}" if target.peer in rates else ""
        low, high = min(target.rates), max(target.rates)
        lines.append(f"{target.title:<24}{rate:>12.0f}{low:>10.0f}{high:>10.0f}{cost:>17.1f}{ratio:>14}")
    return "\n".join(lines)


def run(servers: list[Part], targets: list[Target]) -> None:
    """Start all, check all, measure all in turns, stop all."""
    parts = [*servers, *{id(target.part): target.part for target in targets}.values()]
    try:
        for part in parts:
            part.start()
        for target in targets:
            if not wait_until(partial(answers, target.port), START_SECONDS):
                sys.exit(f"{target.title} does not answer on port {target.port}.")
            check(target)
        for number in range(1, ROUNDS + 1):
            for target in targets:
                print(f"round {number} of {ROUNDS}: {target.title}", flush=True)
                measure(target)
    finally:
        stop(parts)
    print(report(targets))


def main() -> None:
    if not shutil.which("wrk"):
        sys.exit("make bench needs wrk: install Debian's package wrk (apt install wrk).")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    with tempfile.TemporaryDirectory() as name:
        ports = free_ports(["a", "b", "l4", "l7", "nginx_http", "nginx_tcp"])
        run(create_servers(Path(name), ports), create_targets(Path(name), ports))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
