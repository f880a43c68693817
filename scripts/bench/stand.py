"""All that runs while something is measured.

What lives here: ports, files, and the processes of the servers and balancers that the chosen cases need.
What must not: load, figures.
Invariant: whatever was started is stopped when the stand closes, however it comes to that.
"""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType

from scripts.bench.check import check_layer
from scripts.bench.model import DIRECT, BenchError
from scripts.bench.peers import STREAM_MODULE, TEMPLATES, Form, Peer, fill
from scripts.bench.servers import DIRECT_PORTS, KINDS, PORTS, ServerKind, template_values, write_files, write_templates
from scripts.bench.tools import find_program
from scripts.processes import Part, is_free, stop, wait_until

START_SECONDS = 20.0
LOG_LINES = 5


def free_ports(names: Iterable[str]) -> dict[str, int]:
    """A free port of 127.0.0.1 for each name, free for TCP and UDP at this moment."""
    probes: dict[str, tuple[socket.socket, socket.socket]] = {}
    for name in names:
        tcp = socket.create_server(("127.0.0.1", 0))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(tcp.getsockname())
        probes[name] = tcp, udp
    ports = {name: tcp.getsockname()[1] for name, (tcp, _) in probes.items()}
    for tcp, udp in probes.values():
        tcp.close()
        udp.close()
    return ports


class Stand:
    """Servers and balancers in front of them. ``pairs`` are the peers and layers that will be measured."""

    def __init__(self, pairs: Mapping[str, tuple[Peer, set[str]]], layers: set[str]) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="deston-bench-")
        self.folder = Path(self._scratch.name)
        self._pairs = pairs
        self._layers = layers
        self._servers: dict[str, Part] = {}
        self._balancers: dict[tuple[str, str], Part] = {}
        self._ports = free_ports(PORTS)
        self._values = template_values(self.folder, self._ports, needs_many="many" in layers)
        self._peer_ports: dict[tuple[str, str], int] = {}
        #: Why a balancer could not be started, by peer and layer; the others are measured without it.
        self.broken: dict[tuple[str, str], str] = {}

    def __enter__(self) -> Stand:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop everything, the balancers first, and remove the files."""
        stop([*self._servers.values(), *{id(part): part for part in self._balancers.values()}.values()])
        self._scratch.cleanup()

    def port(self, peer: str, layer: str) -> int:
        """Where the load for a layer of a peer goes to."""
        if peer == DIRECT:
            return self._ports[DIRECT_PORTS[layer]]
        return self._peer_ports[peer, layer]

    def balancer_pids(self, peer: str, layer: str) -> list[int]:
        """The process that serves a layer of a peer; none for the direct run."""
        return [] if peer == DIRECT else [self._balancers[peer, layer].pid]

    def server_pids(self, layer: str) -> list[int]:
        """The processes that serve what lies behind a layer."""
        return [self._servers[kind.name].pid for kind in KINDS if layer in kind.layers]

    def settle(self, layer: str) -> None:
        """Wait until the servers are ready again: iperf3 closes its port after each test, and opens it anew."""
        if layer == "bulk" and not wait_until(lambda: not is_free(self._ports["server_bulk"]), START_SECONDS):
            raise BenchError("iperf3 does not open its port again")

    def restart(self, peer: str, layer: str) -> None:
        """Stop the process that serves a layer of a peer, and start it again."""
        part = self._balancers[peer, layer]
        stop([part])
        self._run(part, {layer: self.port(peer, layer)})

    def configurations(self) -> dict[str, str]:
        """The files that servers and balancers were started with, by their place in the stand."""
        found = {}
        for part in [*self._servers.values(), *self._balancers.values()]:
            assert part.log is not None
            here = part.log.parent
            for file in sorted(one for one in here.iterdir() if (TEMPLATES / one.name).exists()):
                found[f"{here.name}/{file.name}"] = self._shorten(file.read_text(encoding="utf-8"))
        return found

    def _shorten(self, text: str) -> str:
        """Put the names of places where 500 servers stand, or our folder, which nobody needs to read."""
        long = {name: value for name, value in self._values.items() if name.startswith("many_") and value}
        for name, value in {**long, "folder": str(self.folder)}.items():
            text = text.replace(value, f"@{name}@")
        return text

    def _start(self) -> None:
        write_files(self.folder)
        values = self._values
        for kind in KINDS:
            if kind.layers & self._layers:
                self._start_servers(kind, values)
        for peer, layers in self._pairs.values():
            for form in peer.forms:
                if layers & set(form.layers):
                    self._start_form(peer, form, layers, values)

    def _start_servers(self, kind: ServerKind, values: Mapping[str, str]) -> None:
        here = self.folder / kind.name
        values = {**values, "here": str(here)}
        write_templates(kind.templates, here, values)
        words = [fill(word, values) for word in kind.command]
        part = Part(kind.name, self._ports[kind.port], [find_program(kind.program), *words], log=here / "log")
        self._servers[kind.name] = part
        layer = next(one for one in DIRECT_PORTS if one in kind.layers)
        self._run(part, {layer: self._ports[kind.port]})

    def _start_form(self, peer: Peer, form: Form, wanted: set[str], values: Mapping[str, str]) -> None:
        here = self.folder / f"{peer.name}-{form.layers[0]}"
        ports = free_ports(form.layers)
        values = {**values, **{layer: str(port) for layer, port in ports.items()}, "here": str(here)}
        values["load_stream"] = f"load_module {STREAM_MODULE};"
        values["web"] = str(ports[form.layers[0]])
        two = "        a = 127.0.0.1:{server_a}\n        b = 127.0.0.1:{server_b}".format(**values)
        values["app_servers"] = values["many_deston"] if form.layers == ("many",) else two
        write_templates(form.templates, here, values)
        command = [peer.find(), *(fill(word, values) for word in form.command)]
        environment = {name: fill(value, values) for name, value in form.environment.items()}
        log = here / "log"
        # Not in the checkout, into which gunicorn would look first: PYTHONPATH says which form is measured.
        part = Part(here.name, ports[form.layers[0]], command, environment=environment, log=log, folder=here)
        for layer, port in ports.items():
            self._balancers[peer.name, layer] = part
            self._peer_ports[peer.name, layer] = port
        try:
            self._run(part, {layer: ports[layer] for layer in wanted & set(form.layers)})
        except BenchError as error:
            self.broken.update(dict.fromkeys(((peer.name, layer) for layer in form.layers), str(error)))

    def _run(self, part: Part, ports: Mapping[str, int]) -> None:
        """Start a process, and wait until it serves each of its layers."""
        part.start()
        if wait_until(partial(_has_started, part, ports), START_SECONDS) and part.is_running:
            return
        assert part.log is not None
        said = " | ".join(part.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:])
        raise BenchError(f"{part.name} does not serve: {part.command_line}: {said}")


def _has_started(part: Part, ports: Mapping[str, int]) -> bool:
    """Whether a process serves; or has ended, so that nobody need wait for it."""
    return not part.is_running or not any(check_layer(layer, port) for layer, port in ports.items())
