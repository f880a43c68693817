"""The configuration under which Deston runs in the soak.

What lives here: its listeners, pools and servers, and their text.
What must not: processes.
Invariant: both commands run on it, and every protocol has a pool of its own, of the same servers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from scripts.soak.model import HTTP, PROTOCOLS, TCP, UDP, WS

L4, L7 = "l4", "l7"
WORKERS = 2
SERVERS = ("a", "b", "c", "d")
#: It runs, and is in no pool until it is added.
EXTRA = "e"
#: The listeners, each with its protocol; sessions of the first of the two for UDP end with their answer.
LISTENERS = {"tcp": TCP, "asked": UDP, "flow": UDP, "web": HTTP}
COMMANDS = {TCP: L4, UDP: L4, HTTP: L7, WS: L7}

# Every address of the loopback network is ours, and outgoing connections leave from the first one: so none of them
# can take the port of a server that is gone for a while.
LISTENER_HOST = "127.0.0.9"
HOSTS = {name: f"127.0.0.{number}" for number, name in enumerate((*SERVERS, EXTRA), 11)}

# A worker is stopped for 3 s at most: what waits for a server must not be given up for that.
_GLOBAL = f"""[global]
run_dir = state
workers = {WORKERS}
drain_timeout = 5s
[admin]
bind = unix:admin.sock
"""
_TIMES = {
    "tcp": "linger_timeout = 2s",
    "asked": "responses = 1\nsession_timeout = 2s",
    "flow": "session_timeout = 2s",
    "web": "",
}
_ROUTES = "[routes]\n[[ws]]\npath = /ws\npool = ws\n"
_POOL = "retries = 2\nconnect_timeout = 1s\nserver_timeout = 5s\nidle_timeout = 2s\nslow_start = 2s\n"
_HEALTH = "[[[health]]]\ninterval = 500ms\ntimeout = 1s\nrise = 1\nfall = 2\n"
_CHECKS = {
    TCP: 'type = tcp\nsend = "check\\n"\nexpect = "check"',
    UDP: 'type = udp\nsend = "check"\nexpect = "check"',
    HTTP: "type = http\npath = /health",
    WS: "type = http\npath = /health",
}


def render(
    listeners: Mapping[str, int], servers: Mapping[str, Mapping[str, int]], weights: Mapping[str, int] | None = None
) -> str:
    """The text of the file; ``listeners`` and ``servers`` say the ports, the latter by server and protocol."""
    parts = [_GLOBAL, "[listeners]\n"]
    for name, protocol in LISTENERS.items():
        bind = f"{LISTENER_HOST}:{listeners[name]}"
        parts.append(f"[[{name}]]\nbind = {bind}\nprotocol = {protocol}\npool = {protocol}\n{_TIMES[name]}\n")
    parts += [_ROUTES, "[pools]\n"]
    for protocol in PROTOCOLS:
        lines = [
            f"{name} = {HOSTS[name]}:{servers[name][protocol]}, weight={(weights or {}).get(name, 1)}"
            for name in SERVERS
        ]
        members = "\n".join(lines)
        parts.append(f"[[{protocol}]]\n{_POOL}[[[servers]]]\n{members}\n{_HEALTH}{_CHECKS[protocol]}\n")
    return "".join(parts)


def replace(file: Path, text: str) -> None:
    """Write the file so that whoever reads it sees the old or the new one."""
    new = file.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(file)
