"""Reading and writing heads, framing, and chunks, without any I/O."""

from __future__ import annotations

import http.client
import io
import time
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from deston.errors import BadRequest, BadResponse, HeadTooLarge, StreamEnded
from deston.l7 import http1
from deston.l7.fields import Field
from tests.properties import unhurried
from tests.unit.l7.responses import Case, Reading, cases, read_response

TOKEN_CHARACTERS = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
VISIBLE = bytes([9, *range(0x20, 0x7F), *range(0x80, 0x100)])

tokens = st.text(TOKEN_CHARACTERS, min_size=1, max_size=12).map(str.encode)
values = st.lists(st.sampled_from(VISIBLE), max_size=20).map(bytes)
framing_names = {b"content-length", b"transfer-encoding", b"connection", b"keep-alive"}
plain_fields = st.lists(st.tuples(tokens.filter(lambda name: name.lower() not in framing_names), values), max_size=20)
chunk_extensions = st.sampled_from([b"", b";a", b" ; a = b", b';a="b;\\"c"'])


@st.composite
def whole_responses(draw: st.DrawFn) -> bytes:
    """Valid responses of every framing."""
    fields = draw(plain_fields)
    body = draw(st.binary(max_size=200))
    framing = draw(st.sampled_from(["length", "chunked", "close"]))
    if framing == "length":
        fields.append((b"Content-Length", b"%d" % len(body)))
    if framing == "chunked":
        fields.append((b"Transfer-Encoding", b"chunked"))
        body = draw(in_chunks(body))
    lines = b"".join(name + b":" + value + b"\r\n" for name, value in draw(st.permutations(fields)))
    reason = draw(st.sampled_from([b"", b" ", b" OK", b" Not so good"]))
    return b"HTTP/1.1 %d%b\r\n%b\r\n%b" % (draw(st.sampled_from([200, 404, 599])), reason, lines, body)


@st.composite
def in_chunks(draw: st.DrawFn, body: bytes) -> bytes:
    """A body cut into chunks anywhere, with extensions and trailers."""
    chunks = b""
    while body:
        size = draw(st.integers(1, len(body)))
        chunks += b"%x%b\r\n%b\r\n" % (size, draw(chunk_extensions), body[:size])
        body = body[size:]
    trailers = b"".join(name + b": " + value + b"\r\n" for name, value in draw(plain_fields)[:3])
    return chunks + b"0\r\n" + trailers + b"\r\n"


def cut_anywhere(data: bytes, cuts: list[int]) -> list[bytes]:
    marks = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in zip(marks, marks[1:], strict=False)]


class _Socket:
    """What http.client wants of a connection."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def read_by_referee(data: bytes, method: str = "GET") -> Reading:
    """How the standard library's client reads a response; raises what it would.

    It takes the blanks behind a value for a part of it (RFC 9112 section 5.1 does not): it is not shown them.
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    line, *lines = head.split(b"\r\n")
    data = b"\r\n".join([line, *(one.rstrip(b" \t") for one in lines)]) + end + rest
    response = http.client.HTTPResponse(_Socket(data), method=method)  # type: ignore[arg-type]
    response.begin()
    fields = tuple(
        (name.encode("latin-1"), value.strip(" \t").encode("latin-1")) for name, value in response.getheaders()
    )
    framing = (
        "chunked"
        if response.chunked
        else "close"
        if response.length is None
        else "length"
        if response.length
        else "none"
    )
    body = response.read()
    return Reading(
        response.version - 10,
        response.status,
        response.reason.encode("latin-1"),
        fields,
        framing,
        body,
        not response.will_close,
        b"",
    )


@pytest.mark.parametrize("case", cases("valid"))
def test_what_is_read_from_a_valid_response(case: Case) -> None:
    """A valid response is read to the byte, and not one byte further."""
    assert read_response([case.data], case.method) == case.expected


@pytest.mark.parametrize("case", cases("invalid"))
def test_a_malformed_or_ambiguous_response_is_refused(case: Case) -> None:
    """What could be read in two ways, or in none, is no response."""
    with pytest.raises(BadResponse):
        read_response([case.data])


@pytest.mark.parametrize("case", cases("cut"))
def test_a_response_that_breaks_off_never_looks_whole(case: Case) -> None:
    """Wherever a server breaks off before the end, it is noticed."""
    with pytest.raises(StreamEnded):
        read_response([case.data])


@pytest.mark.parametrize("case", [*cases("valid"), *cases("invalid"), *cases("cut")])
def test_bytes_one_by_one_are_read_as_at_once(case: Case) -> None:
    """A response that comes byte by byte is read, refused or missed as one that comes at once."""
    one_by_one = [bytes([byte]) for byte in case.data]
    assert outcome(lambda: read_response(one_by_one, case.method)) == outcome(
        lambda: read_response([case.data], case.method)
    )


@unhurried
@given(whole_responses(), st.lists(st.integers(0, 2**16), max_size=8))
def test_the_cuts_between_the_bytes_mean_nothing(data: bytes, cuts: list[int]) -> None:
    """Any way of cutting the bytes into pieces gives the same response."""
    assert read_response(cut_anywhere(data, cuts)) == read_response([data])


@unhurried
@given(whole_responses())
def test_a_referee_reads_the_same(data: bytes) -> None:
    """What we read from a valid response is what the standard library reads."""
    ours, theirs = read_response([data]), read_by_referee(data)
    assert (ours.status, ours.body) == (theirs.status, theirs.body)
    assert ours.fields == theirs.fields
    assert ours.reason.strip() == theirs.reason


@unhurried
@given(whole_responses(), st.data())
def test_a_damaged_response_is_refused_or_read_as_others_read_it(data: bytes, draw: st.DataObject) -> None:
    """After any change of some bytes we refuse, or read what the standard library reads; never a third thing."""
    damaged = draw.draw(damages(data))
    assume(damaged != data)
    try:
        ours = read_response([damaged])
    except (BadResponse, StreamEnded):
        return
    theirs = read_by_referee(damaged)
    assert (ours.version, ours.status, ours.fields) == (theirs.version, theirs.status, theirs.fields)
    assert ours.body == theirs.body


@st.composite
def damages(draw: st.DrawFn, data: bytes) -> bytes:
    """The data with a few bytes changed, put in or taken out, the special ones often."""
    special = st.sampled_from(
        [b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b";", b",", b"+", b"-", b"_", b"\x0b", b"0", b"9"]
    )
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        taken = draw(st.integers(0, 2))
        data = data[:at] + draw(st.one_of(special, st.binary(max_size=2))) + data[at + taken :]
    return data


def outcome(action: Callable[[], object]) -> object:
    """What an action returns, or the kind of error that it raises."""
    try:
        return action()
    except (BadResponse, StreamEnded) as error:
        return type(error)


def head_of(fields: int = 0, size: int = 0) -> bytes:
    """A head of so many fields, or of so many bytes."""
    lines = b"".join(b"F%d: v\r\n" % number for number in range(fields))
    start = b"HTTP/1.1 200 OK\r\n" + lines
    if not size:
        return start + b"\r\n"
    return start + b"X: " + b"x" * (size - len(start) - len("X: \r\n\r\n")) + b"\r\n\r\n"


def test_the_largest_head_is_read_and_one_byte_more_refused() -> None:
    """The limit of a response head is exact, and does not depend on what comes with the head."""
    most = http1.LARGEST_RESPONSE_HEAD
    for behind in (b"", b"body"):
        assert read_response([head_of(size=most) + behind]).body == behind
        with pytest.raises(BadResponse, match="more than"):
            read_response([head_of(size=most + 1) + behind])


def test_a_head_without_an_end_is_given_up_at_the_limit() -> None:
    """A server that never ends its head is refused when it has sent more than a head may have."""
    endless = (b"X: %d\r\n" % number for number in range(10**9))
    pieces = [b"HTTP/1.1 200 OK\r\n", *(next(endless) * 100 for _ in range(200))]
    with pytest.raises(BadResponse, match="more than"):
        read_response(pieces)


def test_as_many_fields_as_are_allowed_and_one_more() -> None:
    """The limit of a response's fields is exact."""
    assert len(read_response([head_of(fields=http1.MOST_RESPONSE_FIELDS)]).fields) == http1.MOST_RESPONSE_FIELDS
    with pytest.raises(BadResponse, match="fields"):
        read_response([head_of(fields=http1.MOST_RESPONSE_FIELDS + 1)])


def chunked(rest: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + rest


def test_a_chunk_line_has_a_limit() -> None:
    """A size line that goes on for ever with its extensions is refused."""
    padding = http1.LARGEST_CHUNK_LINE - len("0;\r\n")
    assert read_response([chunked(b"0;" + b"a" * padding + b"\r\n\r\n")]).body == b""
    with pytest.raises(BadResponse):
        read_response([chunked(b"0;" + b"a" * (padding + 1) + b"\r\n\r\n")])


def test_trailers_have_a_limit_in_all() -> None:
    """Many short trailers are no way around the limit of their section."""
    line = b"X: y\r\n"
    fits = (http1.LARGEST_TRAILERS - 2) // len(line)
    assert read_response([chunked(b"0\r\n" + line * fits + b"\r\n")]).body == b""
    with pytest.raises(BadResponse):
        read_response([chunked(b"0\r\n" + line * (fits + 1) + b"\r\n")])


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        (1, None, True),
        (1, b"keep-alive", True),
        (1, b"close", False),
        (1, b"CLOSE", False),
        (1, b"keep-alive, close", False),
        (1, b"upgrade", True),
        (0, None, False),
        (0, b"close", False),
        (0, b"keep-alive", True),
        (0, b"x,Keep-Alive", True),
        (0, b"keep-alive, close", False),
    ],
)
def test_who_keeps_the_connection(version: int, connection: bytes | None, kept: bool) -> None:
    """Versions and Connection decide on keep-alive as RFC 9112 section 9.3 says."""
    line = b"Connection: %b\r\n" % connection if connection is not None else b""
    head = b"HTTP/1.%d 200 OK\r\n%bContent-Length: 0\r\n\r\n" % (version, line)
    assert read_response([head]).keeps_alive is kept


@unhurried
@given(tokens, st.lists(st.tuples(tokens, values.map(lambda value: value.strip(b" \t")))))
def test_a_request_head_reads_as_it_was_meant(method: bytes, fields: list[Field]) -> None:
    """Each field of a request is one line of its head, in its place, and the head ends where it should."""
    head = http1.request_head(method, b"/x", b"a.test", http1.field_lines(fields))
    line, rest = head.split(b"\r\n", 1)
    assert line == method + b" /x HTTP/1.1"
    assert http1.parse_fields(rest[:-2], 10**6, BadResponse) == [(b"Host", b"a.test"), *fields]
    assert head.endswith(b"\r\n\r\n")
    assert head.index(b"\r\n\r\n") == len(head) - 4


@pytest.mark.parametrize("value", [b"a\nb", b"a\rb", b"a\r\nb", b"a\r\n b", b"\0", b"a\r", b"\n"])
@pytest.mark.parametrize("place", ["name", "value"])
def test_no_field_becomes_several_on_its_way_out(value: bytes, place: str) -> None:
    """A line end or NUL in a field, wherever it came from, never reaches a server."""
    field = (value, b"v") if place == "name" else (b"A", value)
    with pytest.raises(BadRequest):
        http1.field_lines([(b"X", b"y"), field])


@unhurried
@given(st.binary(min_size=1, max_size=70_000))
def test_a_chunk_reads_back(data: bytes) -> None:
    """What is sent as a chunk is read as its data."""
    assert read_response([chunked(http1.chunk(data) + http1.last_chunk())]).body == data


HOSTILE = {
    "fields that almost end": b"A:" + b" " * 65000 + b"\x01\r\n",
    "a name without a colon": b"A" * 65000 + b"\r\n",
    "many fields, then a bad one": b"A:b\r\n" * 13000 + b"\x01\r\n",
    "many names, no values": b"A" * 30000 + b":\r\n" + b"A" * 30000 + b"\r\n",
    "blanks around colons": b"A: :" * 16000 + b"\x01\r\n",
    "carriage returns": b"A:" + b"\r" * 65000 + b"\n",
    "half line ends": b"A:b\r" * 16000 + b"\r\n",
}


def cost(action: Callable[[], object], times: int = 5) -> float:
    """The least CPU time of some runs, which is next to the operations that it takes."""
    best = float("inf")
    for _ in range(times):
        started = time.thread_time()
        action()
        best = min(best, time.thread_time() - started)
    return best


@pytest.mark.parametrize("block", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_head_costs_no_more_than_a_valid_one(block: bytes) -> None:
    """No 64 KiB of a head make the patterns go back and forth, which would cost thousands of times as much."""
    valid = b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 10900 + b"\r\n"
    hostile = b"HTTP/1.1 200 OK\r\n" + block + b"\r\n"

    def parse(head: bytes) -> object:
        return outcome(lambda: http1.parse_response_head(head))

    assert parse(hostile) is BadResponse
    assert cost(lambda: parse(hostile)) < 20 * cost(lambda: parse(valid))


HOSTILE_CHUNK_LINES = {
    "blanks": b"5" + b" " * 4000 + b"\x01\r\n",
    "blanks behind a name": b"5;a" + b" \t" * 2000 + b"\x01\r\n",
    "names": b"5" + b";a" * 2000 + b"\x01\r\n",
    "names and blanks": b"5" + b" ;a =" * 800 + b"\x01\r\n",
    "backslashes": b'5;a="' + b"\\\\" * 2000 + b"\r\n",
    "quotes": b"5" + b';a=""' * 700 + b'"\r\n',
}


@pytest.mark.parametrize("line", HOSTILE_CHUNK_LINES.values(), ids=HOSTILE_CHUNK_LINES.keys())
def test_a_hostile_chunk_line_costs_no_more_than_a_valid_one(line: bytes) -> None:
    """Nor do the extensions of a chunk."""
    valid = b"5" + b";a=b" * 1000 + b"\r\n"

    def parse(text: bytes) -> object:
        return outcome(lambda: http1.parse_chunk_size(text, BadResponse))

    assert parse(line) is BadResponse
    assert cost(lambda: parse(line)) < 20 * cost(lambda: parse(valid))


def test_what_is_remembered_of_heads_is_bounded() -> None:
    """By number and by size; what is forgotten is read again, to the same."""
    for number in range(3 * http1.MOST_KEPT):
        head = http1.parse_response_head(b"HTTP/1.1 200 OK\r\nX: %d\r\n\r\n" % number)
        assert head.fields == [(b"X", b"%d" % number)]
        request = http1.parse_request_head(b"GET /%d HTTP/1.1\r\nX: %d\r\n\r\n" % (number, number), 100, 10)
        assert (request.target, request.fields) == (b"/%d" % number, [(b"X", b"%d" % number)])
    large = b"HTTP/1.1 200 OK\r\nX: %b\r\n\r\n" % (b"y" * http1.LARGEST_KEPT)
    assert http1.parse_response_head(large) is not http1.parse_response_head(large)
    assert http1.parse_request_head(b"GET /%b HTTP/1.1\r\n\r\n" % (b"y" * http1.LARGEST_KEPT), 3000, 10)
    for memory in (http1._request_lines, http1._request_fields, http1._response_heads):
        assert 0 < len(memory._known) <= http1.MOST_KEPT
        assert max(map(len, memory._known)) <= http1.LARGEST_KEPT


def test_a_limit_of_fields_holds_for_what_is_remembered_too() -> None:
    """A listener with a lower one refuses what another one has let pass."""
    head = b"GET / HTTP/1.1\r\n" + b"Once-more: y\r\n" * 9 + b"\r\n"
    assert len(http1.parse_request_head(head, 100, 10).fields) == 9
    with pytest.raises(HeadTooLarge):
        http1.parse_request_head(head, 100, 8)
