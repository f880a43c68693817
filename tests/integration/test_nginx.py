"""A real HTTP server behind both commands: what it serves arrives byte for byte."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from deston.address import Address
from tests.integration.client import Answer, Client, ask
from tests.integration.commands import BOTH, L4, L7, Command, start, start_both
from tests.integration.configs import http, pool, tcp, write_config
from tests.integration.named_server import blocks
from tests.integration.processes import Processes
from tests.integration.servers import Nginx

SIZES = {"one.bin": 1, "medium.bin": 64 * 1024, "large.bin": 5 * 1024 * 1024}


@pytest.fixture(scope="module")
def files(nginx: Nginx) -> dict[str, bytes]:
    """What nginx has to serve, by path."""
    contents = {f"/{name}": b"".join(blocks(size)) for name, size in SIZES.items()}
    for path, content in contents.items():
        (nginx.content / path[1:]).write_bytes(content)
    return contents


@pytest.fixture(scope="module")
def commands(
    module_processes: Processes, nginx: Nginx, files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Command]:
    """Both commands in front of one nginx."""
    file = write_config(tmp_path_factory.mktemp("nginx_front"), pools={"app": pool({"nginx": nginx.http})})
    return start_both(module_processes, file)


@pytest.fixture(params=BOTH)
def front(request: pytest.FixtureRequest, commands: dict[str, Command]) -> Address:
    """Where one of the commands listens."""
    return commands[request.param].address


@pytest.mark.parametrize("path", [f"/{name}" for name in SIZES])
def test_files_arrive_as_they_are(front: Address, files: dict[str, bytes], path: str) -> None:
    """A file of a byte, of 64 KiB and of 5 MiB arrives whole, with its length."""
    answer = ask(front, path)
    assert answer.status == 200
    assert answer.fields["Content-Length"] == str(len(files[path]))
    assert answer.body == files[path]


@pytest.mark.parametrize("path", [f"/{name}" for name in SIZES])
def test_head_has_the_length_and_no_body(front: Address, files: dict[str, bytes], path: str) -> None:
    """The answer to HEAD is the one to GET without its body, and the connection serves on."""
    with Client(front) as client:
        answer = client.ask(path, "HEAD")
        assert (answer.status, answer.body) == (200, b"")
        assert answer.fields["Content-Length"] == str(len(files[path]))
        assert client.ask("/one.bin").body == files["/one.bin"]


def test_ranges(front: Address, files: dict[str, bytes]) -> None:
    """A range is answered with 206 and just its bytes; one that cannot be had with 416."""
    content = files["/large.bin"]
    part = ask(front, "/large.bin", fields={"Range": "bytes=1000000-1999999"})
    assert (part.status, part.body) == (206, content[1000000:2000000])
    assert part.fields["Content-Range"] == f"bytes 1000000-1999999/{len(content)}"
    last = ask(front, "/large.bin", fields={"Range": "bytes=-10"})
    assert (last.status, last.body) == (206, content[-10:])
    assert ask(front, "/one.bin", fields={"Range": "bytes=5-"}).status == 416


def test_several_ranges(front: Address, files: dict[str, bytes]) -> None:
    """Several ranges in one answer arrive with the boundaries between them."""
    content = files["/medium.bin"]
    answer = ask(front, "/medium.bin", fields={"Range": "bytes=0-9,100-109"})
    assert answer.status == 206
    boundary = answer.fields.get_param("boundary")
    parts = answer.body.split(f"--{boundary}".encode())
    assert [part.rpartition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts[1:3]] == [
        content[:10],
        content[100:110],
    ]


def test_a_body_in_chunks(front: Address, files: dict[str, bytes]) -> None:
    """An answer of unknown length arrives whole, and the connection serves on."""
    with Client(front) as client:
        for path in ("/medium.bin", "/large.bin", "/medium.bin"):
            answer = client.ask(f"/zipped{path}", fields={"Accept-Encoding": "gzip"})
            assert answer.fields["Transfer-Encoding"] == "chunked"
            assert gzip.decompress(answer.body) == files[path]


def test_a_validated_copy_is_not_sent_again(front: Address) -> None:
    """304 comes without a body, and with the fields that validate."""
    with Client(front) as client:
        first = client.ask("/large.bin")
        again = client.ask("/large.bin", fields={"If-None-Match": first.fields["ETag"]})
        assert (again.status, again.body) == (304, b"")
        assert again.fields["ETag"] == first.fields["ETag"]
        assert client.ask("/one.bin").status == 200


def test_what_nginx_refuses_arrives_as_it_is(front: Address) -> None:
    """The server's own errors are its own, and not the proxy's."""
    absent = ask(front, "/absent")
    assert absent.status == 404
    assert b"<center>nginx" in absent.body
    assert ask(front, "/one.bin", "DELETE").status == 405


def test_connections_are_kept_on_both_sides(commands: dict[str, Command]) -> None:
    """Requests one after the other travel over one connection of the client's and one to the server."""
    with Client(commands[L7].address) as client:
        assert len({connection_of(client.ask("/one.bin")) for _ in range(20)}) == 1
        # After an answer with a body in chunks, without a body and from a file that is large, as well.
        kinds = [("/zipped/medium.bin", "GET"), ("/large.bin", "HEAD"), ("/large.bin", "GET"), ("/absent", "GET")]
        before = connection_of(client.ask("/one.bin"))
        for path, method in kinds:
            client.ask(path, method, {"Accept-Encoding": "gzip"})
        assert connection_of(client.ask("/one.bin")) == before


def connection_of(answer: Answer) -> str:
    """The number that nginx gave to the connection of an answer."""
    return answer.fields["X-Connection"]


def test_the_host_is_kept(front: Address) -> None:
    """The server sees the Host that the client asked for, through either command."""
    assert ask(front, "/one.bin", fields={"Host": "shop.test"}).fields["X-Host"] == "shop.test"


@pytest.mark.parametrize("command", BOTH)
def test_a_unix_socket(
    processes: Processes, tmp_path: Path, nginx: Nginx, files: dict[str, bytes], command: str
) -> None:
    """A server may listen on a unix socket, and so may a command."""
    socket = f"unix:{tmp_path}/front.sock"
    listener = (tcp if command == L4 else http)(bind=socket)
    app = pool({"nginx": nginx.unix}, {"type": "tcp", "interval": "50ms"})
    chained = {"outer": (tcp if command == L4 else http)("chained"), "inner": listener}
    file = write_config(tmp_path, chained, pools={"app": app, "chained": pool({"inner": socket})})
    front = start(command, processes, file)
    answer = ask(front.address, "/large.bin")
    assert (answer.status, answer.body) == (200, files["/large.bin"])
