"""Where lines go: a file that may be moved away, what is open already, and a syslog daemon."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest

from deston.access.sinks import DescriptorSink, FileSink, SyslogSink, make_sink
from deston.address import Address
from deston.config.model import LogSink, LogTarget


def test_a_file_is_appended_to(tmp_path: Path) -> None:
    """It is made where it is missing, readable by its owner and group alone."""
    file = tmp_path / "access.log"
    for line in ("one", "two"):
        sink = make_sink(LogTarget(LogSink.FILE, str(file)), "x")
        sink.write([line, "more"])
        sink.close()
        sink.close()
    assert file.read_text() == "one\nmore\ntwo\nmore\n"
    assert file.stat().st_mode & 0o137 == 0


def test_a_file_that_was_moved_away(tmp_path: Path) -> None:
    """Lines follow the moved file until it is asked to be opened anew."""
    file, moved = tmp_path / "access.log", tmp_path / "access.log.1"
    sink = FileSink(str(file))
    sink.write(["one"])
    file.rename(moved)
    sink.write(["two"])
    sink.reopen()
    sink.write(["three"])
    sink.close()
    assert moved.read_text() == "one\ntwo\n"
    assert file.read_text() == "three\n"


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """It is tried again with every batch."""
    file = tmp_path / "logs" / "access.log"
    sink = FileSink(str(file))
    with pytest.raises(FileNotFoundError):
        sink.write(["lost"])
    file.parent.mkdir()
    sink.write(["kept"])
    sink.close()
    assert file.read_text() == "kept\n"


def test_what_is_open_already() -> None:
    """Such as standard output, which is not closed."""
    reading, writing = os.pipe()
    sink = DescriptorSink(writing)
    sink.write(["one", "two"])
    sink.reopen()
    sink.close()
    assert os.read(reading, 100) == b"one\ntwo\n"
    os.close(writing)
    os.close(reading)
    assert isinstance(make_sink(LogTarget(LogSink.STDOUT), "x"), DescriptorSink)


@pytest.mark.parametrize("is_unix", [True, False])
def test_syslog(tmp_path: Path, is_unix: bool) -> None:
    """A datagram for each line, with its priority, its time and who wrote it; over a network also the machine."""
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX if is_unix else socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(path) if is_unix else ("127.0.0.1", 0))
        address = Address(path=str(path)) if is_unix else Address(*daemon.getsockname())
        sink = make_sink(LogTarget(LogSink.SYSLOG, address=address), "deston-l4")
        sink.write(["one", "two"])
        received = [daemon.recv(1000).decode() for _ in range(2)]
        sink.reopen()
        sink.write(["three"])
        assert daemon.recv(1000).endswith(b": three")
        sink.close()
    host = "" if is_unix else re.escape(socket.gethostname()) + " "
    form = rf"<134>[A-Z][a-z]{{2}} [ \d]\d \d\d:\d\d:\d\d {host}deston-l4\[{os.getpid()}\]: "
    assert [re.sub(form, "", line) for line in received] == ["one", "two"]


def test_a_syslog_that_is_not_there(tmp_path: Path) -> None:
    """A daemon that starts later gets the lines that come later."""
    path = tmp_path / "log"
    sink = SyslogSink(Address(path=str(path)), "x")
    with pytest.raises(FileNotFoundError):
        sink.write(["lost"])
    for _ in range(2):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
            daemon.bind(str(path))
            sink.write(["kept"])
            assert daemon.recv(1000).endswith(b": kept")
        path.unlink()
        with pytest.raises(ConnectionRefusedError):
            sink.write(["lost"])
