"""The scripted stream keeps to the contract of ``ByteStream``."""

from __future__ import annotations

import math

import pytest

from deston.errors import ReadTimeout, StreamReset, WriteTimeout
from deston.net.byte_stream import ByteStream
from deston.net.fake import FakeStream, FakeStreamInTurn


def test_it_is_a_byte_stream() -> None:
    """A scripted stream can stand where a protocol wants a connection."""
    stream: ByteStream = FakeStream()
    assert stream.read(1) == b""


def test_reads_come_in_the_pieces_of_the_script() -> None:
    """A read returns one piece at most, and never more than its limit."""
    stream = FakeStream([b"abc", b"", b"defg"])
    assert [stream.read(10), stream.read(3), stream.read(3), stream.read(3)] == [b"abc", b"def", b"g", b""]
    assert stream.is_used_up


def test_an_error_of_the_script_is_raised_in_its_turn() -> None:
    """An error stands in the script among the pieces, and what follows it can still be read."""
    stream = FakeStream([b"a", ReadTimeout("late"), b"b"])
    assert stream.read(1) == b"a"
    with pytest.raises(ReadTimeout, match="late"):
        stream.read(1)
    assert stream.read(1) == b"b"


def test_what_is_written_is_kept() -> None:
    """All writes together are what the peer got, whatever kind of bytes they were."""
    stream = FakeStream()
    for data in (b"ab", bytearray(b"cd"), memoryview(b"ef")):
        stream.write(data)
    assert stream.written == b"abcdef"


def test_a_peer_that_takes_no_more() -> None:
    """A write beyond what the peer takes fails with the error of the script, and the peer has what it took."""
    stream = FakeStream(takes=3, write_error=WriteTimeout("full"))
    stream.write(b"ab")
    with pytest.raises(WriteTimeout, match="full"):
        stream.write(b"cd")
    assert stream.written == b"abc"
    with pytest.raises(StreamReset):
        FakeStream(takes=0).write(b"a")


def test_a_peer_that_speaks_early() -> None:
    """Input is there as soon as the peer has got the number of bytes after which it speaks."""
    stream = FakeStream([b"early"], speaks_after=2)
    stream.write(b"a")
    assert not stream.has_input()
    stream.write(b"b")
    assert stream.has_input()


def test_a_stream_that_is_not_quiet() -> None:
    """A stream is fit for another use while it is open and its peer is quiet."""
    stream = FakeStream()
    assert stream.is_quiet()
    assert not stream.has_input()
    stream.quiet = False
    assert not stream.is_quiet()
    assert stream.has_input()


def test_a_stream_that_only_looks_quiet() -> None:
    """Whether anything was seen of the peer may be told apart from whether it is quiet."""
    assert FakeStream().has_been_quiet
    assert not FakeStream(quiet=False).has_been_quiet
    assert FakeStream(quiet=False, has_been_quiet=True).has_been_quiet


def test_a_peer_that_speaks_in_turn() -> None:
    """A piece is there once so much, or what it waits for, was written; a read before that is a standstill."""
    stream = FakeStreamInTurn((0, b"hello"), (2, b"two"), (b"!", b"bye"))
    assert stream.read(100) == b"hello"
    assert not stream.has_input()
    with pytest.raises(ReadTimeout):
        stream.read(100)
    stream.write(b"ab")
    assert stream.has_input()
    assert [stream.read(2), stream.read(2)] == [b"tw", b"o"]
    stream.write(b"c!")
    assert stream.read(100) == b"bye"
    assert not stream.has_input()
    assert stream.read(100) == b""


def test_the_deadline_is_kept() -> None:
    """The last deadline can be asked for, in seconds; there is none at first."""
    stream = FakeStream()
    assert stream.deadline_s is None
    stream.expire_after(2.5)
    assert stream.deadline_s == 2.5
    stream.write(b"abc")
    stream.expire_after(math.inf)
    assert stream.deadline_s == math.inf
    assert stream.deadlines == [(0, 2.5), (3, math.inf)]


def test_a_closed_stream_neither_reads_nor_writes() -> None:
    """Once closed, a stream is unfit for anything, and a second close, or an abort, changes nothing."""
    stream = FakeStream([b"a"])
    stream.close()
    stream.close()
    stream.abort()
    assert stream.closed
    assert not stream.aborted
    assert not stream.is_quiet()
    with pytest.raises(StreamReset):
        stream.read(1)
    with pytest.raises(StreamReset):
        stream.write(b"a")


def test_its_state_can_be_read() -> None:
    """The representation says whether it is open, and how far the script got."""
    stream = FakeStream([b"a", b"b"])
    stream.read(1)
    stream.write(b"xyz")
    assert repr(stream) == "<FakeStream open, 1 reads left, 3 bytes written>"
    stream.abort()
    assert repr(stream) == "<FakeStream aborted, 1 reads left, 3 bytes written>"
    stream.close()
    assert stream.aborted
