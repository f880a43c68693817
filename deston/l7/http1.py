"""HTTP/1.x without I/O: heads in, heads out, and where a body ends.

What lives here: reading and writing the heads of requests and responses, framing by RFC 9112 section 6, chunks.
What must not: sockets, and anything about pools or clients. This is the second half of the compiled seam.
Invariant: what could be read in two ways is refused, coming in or going out; nothing is repaired.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from typing import Final, Generic, TypeVar

from deston.errors import (
    BadRequest,
    BadResponse,
    HeadTooLarge,
    ProtocolError,
    UriTooLong,
    VersionNotSupported,
)
from deston.l7.fields import Field, Fields, Named

# As defaults.md gives them: far above what servers send, far below what hurts.
LARGEST_RESPONSE_HEAD: Final = 64 * 1024
MOST_RESPONSE_FIELDS: Final = 200
# A chunk's size line with its extensions, and the trailer section.
LARGEST_CHUNK_LINE: Final = 4096
LARGEST_TRAILERS: Final = 16 * 1024

# Heads whose reading is remembered, of requests and of responses, and the largest of them: some megabytes at most.
MOST_KEPT: Final = 512
LARGEST_KEPT: Final = 2048

END_OF_HEAD: Final = b"\r\n\r\n"
_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
# RFC 9110 section 5.5: visible characters, space, tab and obs-text. The blanks around a value are taken off later:
# a pattern that does both can be made to backtrack.
_FIELD_LINE: Final = rb"(" + _TOKEN + rb"):([\t\x20-\x7e\x80-\xff]*)\r\n"
_FIELD: Final = re.compile(_FIELD_LINE)
_FIELDS: Final = re.compile(rb"(?:" + _FIELD_LINE + rb")*")
_REQUEST_LINE: Final = re.compile(rb"(" + _TOKEN + rb") ([\x21-\x7e\x80-\xff]+) HTTP/1\.([01])\r\n")
_OTHER_VERSION: Final = re.compile(rb"[^\r\n]* HTTP/(?:[02-9]\.[0-9]|1\.[2-9])\r\n")
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n")
# RFC 9112 section 7.1.1, and the blanks with which some servers pad a size.
_QUOTED: Final = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
_EXTENSION: Final = rb"[ \t]*;[ \t]*" + _TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?"
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(?:" + _EXTENSION + rb")*[ \t]*\r\n")
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")
CONTINUE: Final = 100
SWITCHING: Final = 101
# What tells a client that waits to send its body; one that does not passes over it (RFC 9110 section 15.2.1).
GO_AHEAD: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_NO_BODY: Final = frozenset({204, 304})


class Framing(enum.Enum):
    """How the end of a body is found."""

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "close"


class ResponseHead:
    """The status line and fields of a response."""

    __slots__ = ("fields", "minor_version", "reason", "status")

    def __init__(self, minor_version: int, status: int, reason: bytes, fields: Fields) -> None:
        self.minor_version = minor_version
        self.status = status
        self.reason = reason
        self.fields = fields

    @property
    def named(self) -> Named:
        return self.fields.named


class RequestHead:
    """The request line and fields of a request."""

    __slots__ = ("fields", "method", "minor_version", "target")

    def __init__(self, minor_version: int, method: bytes, target: bytes, fields: Fields) -> None:
        self.minor_version = minor_version
        self.method = method
        self.target = target
        self.fields = fields

    @property
    def named(self) -> Named:
        return self.fields.named


def parse_fields(block: bytes, most: int, error: type[ProtocolError]) -> list[Field]:
    """The fields of a block of lines that all end with CRLF.

    Raises ``error`` for what is no field line (folds, bare CR or LF, NUL, a space before the colon) or over ``most``.
    """
    if _FIELDS.fullmatch(block) is None:
        raise error("a header field is malformed")
    fields = [(name, value.strip(b" \t")) for name, value in _FIELD.findall(block)]
    if len(fields) > most:
        raise error(f"more than {most} header fields")
    return fields


_Read = TypeVar("_Read")


class _Memory(Generic[_Read]):
    """What was read from some bytes, by these bytes; when it is full, all is forgotten."""

    def __init__(self) -> None:
        self._known: dict[bytes, _Read] = {}
        self.get = self._known.get

    def keep(self, data: bytes, read: _Read) -> _Read:
        if len(data) <= LARGEST_KEPT:
            if len(self._known) >= MOST_KEPT:
                self._known.clear()
            self._known[data] = read
        return read


# One client or server says nearly the same each time: only dates and lengths change, and some targets.
_request_lines: Final[_Memory[tuple[int, bytes, bytes]]] = _Memory()
_request_fields: Final[_Memory[Fields]] = _Memory()
_response_heads: Final[_Memory[ResponseHead]] = _Memory()


def parse_response_head(head: bytes) -> ResponseHead:
    """Read a response head, up to and including its empty line; raises ``BadResponse``."""
    return _response_heads.get(head) or _response_heads.keep(head, _read_response_head(head))


def _read_response_head(head: bytes) -> ResponseHead:
    line = _STATUS_LINE.match(head)
    if line is None:
        raise BadResponse("the status line is malformed")
    fields = parse_fields(head[line.end() : -2], MOST_RESPONSE_FIELDS, BadResponse)
    return ResponseHead(int(line[1]), int(line[2]), line[3] or b"", Fields(fields))


def parse_request_head(head: bytes, longest_line: int, most_fields: int) -> RequestHead:
    """Read a request head, up to and including its empty line.

    Raises ``UriTooLong``, ``HeadTooLarge``, ``VersionNotSupported``, and ``BadRequest`` for all else.
    """
    end = head.find(b"\r\n", 0, longest_line + 2) + 2
    if end < 2:
        raise UriTooLong(f"the request line is longer than {longest_line} bytes")
    line = head[:end]
    minor_version, method, target = _request_lines.get(line) or _request_lines.keep(line, _read_request_line(line))
    block = head[end:-2]
    fields = _request_fields.get(block)
    if fields is None or len(fields) > most_fields:
        if block.count(b"\n") > most_fields:
            raise HeadTooLarge(f"more than {most_fields} header fields")
        fields = _request_fields.keep(block, Fields(parse_fields(block, most_fields, BadRequest)))
    return RequestHead(minor_version, method, target, fields)


def _read_request_line(line: bytes) -> tuple[int, bytes, bytes]:
    """The minor version, the method and the target."""
    found = _REQUEST_LINE.fullmatch(line)
    if found is None:
        if _OTHER_VERSION.fullmatch(line):
            raise VersionNotSupported("another version of HTTP")
        raise BadRequest("the request line is malformed")
    return 1 if found[3] == b"1" else 0, found[1], found[2]


def request_framing(head: RequestHead) -> tuple[Framing, int]:
    """How the body of a request ends, and its length where that is known (RFC 9112 section 6.3).

    Raises ``BadRequest`` where two readings are possible.
    """
    codings = head.named.get(b"transfer-encoding")
    length = content_length(head.named, BadRequest)
    if codings:
        _require_plain_chunked(codings, length, head.minor_version, BadRequest)
        return Framing.CHUNKED, 0
    return (Framing.LENGTH, length) if length else (Framing.NONE, 0)


def content_length(named: Named, error: type[ProtocolError]) -> int | None:
    """The one length that the fields give, or None.

    Raises ``error`` for anything but digits, and for repeats (RFC 9112 section 6.3 lets a recipient refuse them).
    """
    values = named.get(b"content-length")
    if values is None:
        return None
    if len(values) > 1 or _LENGTH.fullmatch(values[0]) is None:
        raise error("Content-Length is malformed or repeated")
    return int(values[0])


def response_framing(method: bytes, head: ResponseHead) -> tuple[Framing, int]:
    """How the body of a response ends, and its length where that is known (RFC 9112 section 6.3).

    Raises ``BadResponse`` where two readings are possible.
    """
    codings = head.named.get(b"transfer-encoding")
    length = content_length(head.named, BadResponse)
    if codings:
        _require_plain_chunked(codings, length, head.minor_version, BadResponse)
    if method == b"HEAD" or head.status < 200 or head.status in _NO_BODY:
        return Framing.NONE, 0
    if codings:
        return Framing.CHUNKED, 0
    if length is None:
        return Framing.CLOSE, 0
    return (Framing.LENGTH, length) if length else (Framing.NONE, 0)


def _require_plain_chunked(
    codings: list[bytes], length: int | None, minor_version: int, error: type[ProtocolError]
) -> None:
    if length is not None:
        raise error("both Transfer-Encoding and Content-Length")
    if len(codings) > 1 or codings[0].lower() != b"chunked":
        raise error("a transfer coding other than one final chunked")
    if minor_version == 0:
        raise error("a transfer coding in HTTP/1.0")


def keeps_alive(head: ResponseHead, options: frozenset[bytes]) -> bool:
    """Whether the server will keep the connection (RFC 9112 section 9.3); ``options`` are those of Connection."""
    if b"close" in options:
        return False
    return head.minor_version == 1 or b"keep-alive" in options


def field_lines(fields: Iterable[Field]) -> bytes:
    """The lines of fields as they are sent; raises ``BadRequest`` for one that a server could take for several."""
    lines = [b"%b: %b\r\n" % field for field in fields]
    block = b"".join(lines)
    if block.count(b"\n") != len(lines) or block.count(b"\r") != len(lines) or b"\0" in block:
        raise BadRequest("a header field is malformed")
    return block


def request_head(method: bytes, target: bytes, host: bytes, lines: bytes) -> bytes:
    """The bytes of a request head; ``lines`` are those of all fields but Host, which comes first (RFC 9110, 7.2)."""
    return b"".join((method, b" ", target, b" HTTP/1.1\r\nHost: ", host, b"\r\n", lines, b"\r\n"))


def response_head(status: int, reason: bytes, fields: Iterable[Field]) -> bytes:
    """The bytes of a response head, but for the empty line at its end: who sends it may have more to say."""
    return b"".join([b"HTTP/1.1 %d %b\r\n" % (status, reason), *[b"%b: %b\r\n" % field for field in fields]])


def chunk(data: bytes) -> bytes:
    """Data as one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def last_chunk(trailers: Iterable[Field] = ()) -> bytes:
    """What ends a body in chunks (RFC 9112 section 7.1)."""
    return b"".join([b"0\r\n", *[b"%b: %b\r\n" % field for field in trailers], b"\r\n"])


def parse_chunk_size(line: bytes, error: type[ProtocolError]) -> int:
    """The size that a chunk's line gives, with its CRLF; raises ``error`` (RFC 9112 section 7.1)."""
    match = _CHUNK_SIZE.fullmatch(line)
    if match is None:
        raise error("a chunk size is malformed")
    return int(match[1], 16)
