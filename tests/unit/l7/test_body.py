"""Bodies as they stream, and the memory that makes a request replayable."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deston.errors import BadResponse, ClientGone, ReadTimeout, RequestTooLarge, StreamEnded, StreamReset
from deston.l7.body import (
    LARGEST_REPLAY,
    ChunkedBody,
    CloseBody,
    LengthBody,
    NoBody,
    RequestBody,
    ResponseBody,
    response_body,
)
from deston.l7.http1 import Framing
from deston.l7.incoming import PIECE, Incoming
from deston.net.fake import FakeStream, FakeStreamInTurn
from tests.properties import unhurried
from tests.unit.l7.builders import Client, make_body
from tests.unit.l7.test_http1 import cost


def incoming(*reads: bytes | BaseException) -> Incoming:
    return Incoming(FakeStream(reads))


def pieces_of(body: ResponseBody | RequestBody) -> list[bytes]:
    """All pieces of a body, to its end."""
    return list(iter(body.read, b""))


def test_lines_then_the_rest() -> None:
    """What was read too far for a line is there for what comes next, in any mixture of reads."""
    source = incoming(b"one\r\ntw", b"o\r\nthr", b"eefour", b"five")
    assert source.is_empty
    assert source.read_until(b"\r\n", 100, BadResponse) == b"one\r\n"
    assert not source.is_empty
    assert source.read_until(b"\r\n", 100, BadResponse) == b"two\r\n"
    assert source.read_exactly(5) == b"three"
    assert source.read(100) == b"four"
    assert source.is_empty
    assert source.read(2) == b"fi"
    assert source.read_exactly(2) == b"ve"
    assert source.is_empty
    assert source.read(1) == b""


@pytest.mark.parametrize("pieces", [[b"a\r\nb\n"], [b"a\r\nb", b"\n"], [b"\n"], [b"a", b"\n", b"b"]])
def test_nobody_waits_behind_a_bare_line_feed(pieces: list[bytes]) -> None:
    """A line that ends with LF alone is refused as it comes: its server has said all and would wait for us."""
    source = Incoming(FakeStreamInTurn(*((0, piece) for piece in pieces), (10**9, b"never")))
    with pytest.raises(BadResponse, match="bare LF"):
        source.read_until(b"\r\n\r\n", 100, BadResponse)


def test_a_line_end_in_two_pieces_is_no_bare_line_feed() -> None:
    """CR and LF may come apart from each other."""
    assert incoming(b"a\r", b"\nb\r", b"\n\r", b"\n").read_until(b"\r\n\r\n", 100, BadResponse) == b"a\r\nb\r\n\r\n"


def test_a_line_has_a_limit() -> None:
    """The limit of a line is exact, whether its end came with it or not."""
    assert incoming(b"ab\r\n").read_until(b"\r\n", 4, BadResponse) == b"ab\r\n"
    for reads in ([b"abc\r\n"], [b"a", b"b", b"c", b"d", b"e"], [b"abcde"]):
        with pytest.raises(BadResponse, match="4 bytes"):
            incoming(*reads).read_until(b"\r\n", 4, BadResponse)


def test_an_end_before_the_end_is_an_error() -> None:
    """A stream that ends within a line or a count of bytes is no shorter line."""
    with pytest.raises(StreamEnded):
        incoming(b"half").read_until(b"\r\n", 100, BadResponse)
    with pytest.raises(StreamEnded):
        incoming(b"half").read_exactly(5)


def test_the_framing_chooses_the_reader() -> None:
    """Each way in which a body can end has its reader."""
    source = incoming()
    kinds = [type(response_body(framing, 5, source)) for framing in Framing]
    assert kinds == [NoBody, LengthBody, ChunkedBody, CloseBody]


def test_no_body_is_complete_before_it_is_read() -> None:
    """Nothing is read from the connection for a body that is not there."""
    source = incoming(b"next")
    body = response_body(Framing.NONE, 0, source)
    assert body.complete
    assert body.read() == b""
    assert source.read(4) == b"next"


@pytest.mark.parametrize(
    ("framing", "data"),
    [
        (Framing.LENGTH, b"x" * 300_000),
        (Framing.CLOSE, b"x" * 300_000),
        (Framing.CHUNKED, b"493e0\r\n" + b"x" * 300_000 + b"\r\n0\r\n\r\n"),
    ],
)
def test_pieces_are_bounded(framing: Framing, data: bytes) -> None:
    """However much there is to be had at once, no piece is larger than the bound."""
    body = response_body(framing, 300_000, incoming(data))
    pieces = pieces_of(body)
    assert b"".join(pieces) == b"x" * 300_000
    assert max(map(len, pieces)) <= PIECE
    assert body.complete


def test_a_large_body_streams_in_bounded_memory() -> None:
    """A body of many pieces occupies one of them at a time."""
    body = LengthBody(Incoming(FakeStream(b"x" * PIECE for _ in range(100))), 100 * PIECE)
    tracemalloc.start()
    try:
        read = sum(len(piece) for piece in iter(body.read, b""))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert read == 100 * PIECE
    assert peak < 4 * PIECE


def test_a_piece_is_handed_on_before_its_line_end() -> None:
    """A chunk's data goes on as it comes, though the line end behind it has not come yet."""
    body = ChunkedBody(Incoming(FakeStreamInTurn((0, b"5\r\nhello"), (10**9, b"\r\n0\r\n\r\n"))))
    assert body.read() == b"hello"
    assert not body.complete
    with pytest.raises(ReadTimeout):
        body.read()


def test_a_chunk_goes_on_before_all_of_it_has_come() -> None:
    """A chunk that comes in parts is handed on in parts."""
    body = ChunkedBody(incoming(b"a\r\n01234", b"56789", b"\r\n0\r\n\r\n"))
    assert pieces_of(body) == [b"01234", b"56789"]


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (lambda: LengthBody(incoming(b"abc", StreamReset("reset")), 5), b"abc"),
        (lambda: ChunkedBody(incoming(b"5\r\nabc", StreamReset("reset"))), b"abc"),
        (lambda: CloseBody(incoming(b"abc", StreamReset("reset"))), b"abc"),
    ],
)
def test_a_reset_is_no_end(body: object, read: bytes) -> None:
    """A server that resets within a body broke off, even where an end of the stream would be the body's."""
    made: ResponseBody = body()  # type: ignore[operator]
    assert made.read() == read
    with pytest.raises(StreamReset):
        made.read()
    assert not made.complete


def test_tiny_chunks_cost_what_they_weigh() -> None:
    """Ten times as many chunks in one piece cost about ten times as much, not a hundred times."""

    def read(count: int) -> object:
        return pieces_of(ChunkedBody(incoming(b"1\r\nx\r\n" * count + b"0\r\n\r\n")))

    assert cost(lambda: read(10_000)) < 40 * cost(lambda: read(1000))


@unhurried
@given(st.lists(st.binary(min_size=1, max_size=PIECE), max_size=5), st.lists(st.integers(0, 6), max_size=4))
def test_a_body_reads_the_same_on_every_try(pieces: list[bytes], reads: list[int]) -> None:
    """As long as it is replayable, a body begins anew after every rewind, however far it was read."""
    body = make_body(*pieces, length=None)
    for count in reads:
        read = b"".join(body.read() for _ in range(count))
        assert b"".join(pieces).startswith(read)
        if not body.replayable:
            return
        body.rewind()
    assert b"".join(pieces_of(body)) == b"".join(pieces)
    assert body.replayable is (sum(map(len, pieces)) <= LARGEST_REPLAY)


def test_what_the_memory_holds_and_one_byte_more() -> None:
    """The largest body that can be replayed is exact, and of a larger one nothing is kept."""
    fits = make_body(b"x" * LARGEST_REPLAY)
    assert len(b"".join(pieces_of(fits))) == LARGEST_REPLAY
    assert fits.replayable
    over = make_body(b"x" * LARGEST_REPLAY, b"y")
    assert len(b"".join(pieces_of(over))) == LARGEST_REPLAY + 1
    assert not over.replayable
    assert over._kept == []


def test_the_first_piece_can_always_be_replayed() -> None:
    """Reading the first bytes of a body, however many come, takes nothing away from the first try."""
    body = make_body(b"x" * 10**6)
    first = body.read()
    assert body.replayable
    body.rewind()
    assert body.read() == first


@pytest.mark.parametrize("pieces", [[], [b"ab"], [b"ab", b"cd"]])
def test_a_client_that_sends_less_than_it_announced(pieces: list[bytes]) -> None:
    """A body that is cut short is an error at its end, never a shorter body."""
    body = make_body(*pieces, length=5)
    with pytest.raises(ClientGone, match="early"):
        pieces_of(body)


def test_a_client_sends_no_more_than_it_announced() -> None:
    """What comes behind a body of a known length is not read: it is another request."""
    body = make_body(b"abcdef", length=4)
    assert pieces_of(body) == [b"abcd"]


def test_an_empty_body_reads_nothing() -> None:
    """A request without a body never touches its client."""
    client = Client(b"next request")
    body = RequestBody(client, 0)
    assert body.is_empty
    assert body.read() == b""
    assert client.reads == 0


def test_nobody_reads_beyond_the_end_twice() -> None:
    """The end of a body in chunks is asked for once: with some WSGI servers a second time would wait."""
    client = Client(b"ab")
    body = RequestBody(client, None)
    assert not body.is_empty
    assert pieces_of(body) == [b"ab"]
    body.rewind()
    assert pieces_of(body) == [b"ab"]
    assert client.reads == 2


@pytest.mark.parametrize("length", [None, 10])
def test_a_body_over_its_limit(length: int | None) -> None:
    """The limit holds for bytes that come, whatever was announced; the piece beyond it is not handed on."""
    body = make_body(b"12345", b"67890", length=length)
    body.most = 9
    assert body.read() == b"12345"
    with pytest.raises(RequestTooLarge, match="9 bytes"):
        body.read()
    body = make_body(b"12345", b"67890", length=length)
    body.most = 10
    assert len(b"".join(pieces_of(body))) == 10
