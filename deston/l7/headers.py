"""Header fields on their way through the proxy: pure functions over lists of (name, value).

What lives here: hop-by-hop removal, who the client is, the fields that say so to the server.
What must not: reading heads from sockets (``http1``), choosing pools (``routing``).
Invariant: a field that is passed on keeps its place, its case, its repeats and its value; what an untrusted peer
says about the client is never passed on.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from deston.address import client_key
from deston.config.model import Forwarded, Network
from deston.l7.fields import Field, Fields, Named, by_name
from deston.l7.http1 import ResponseHead, field_lines, response_head

# RFC 9110 section 7.6.1, and what older clients send.
HOP_BY_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade"}
)
# What announces trailers, where none can be passed on.
TRAILER: Final = frozenset({b"trailer"})
X_FORWARDED_FOR: Final = b"x-forwarded-for"
# What tells a server of a client's certificate.
ABOUT_THE_CERTIFICATE: Final = frozenset(
    {b"client-cert", b"client-cert-chain", b"x-ssl-client-verify", b"x-ssl-client-dn"}
)
# What a peer that is not trusted may not say, in any of the spellings that servers read.
ABOUT_THE_CLIENT: Final = frozenset(
    {
        X_FORWARDED_FOR,
        b"x-forwarded-proto",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-ssl",
        b"x-forwarded-prefix",
        b"x-real-ip",
        b"forwarded",
    }
    | ABOUT_THE_CERTIFICATE
)
# RFC 9110 section 6.5.1: fields that somebody on the way reads before the body may not come behind it.
_UNFIT_FOR_TRAILERS: Final = (
    HOP_BY_HOP | TRAILER | ABOUT_THE_CLIENT
    | {b"host", b"content-length", b"content-encoding", b"content-type", b"content-range", b"authorization"}
    | {b"proxy-authorization", b"proxy-authenticate", b"www-authenticate", b"cookie", b"set-cookie", b"expect"}
    | {b"cache-control", b"max-forwards", b"range", b"pragma", b"via"}
)  # fmt: skip
# What a request gets anew on its way: the host as the pool wants it, and the end of the body as we send it.
_WRITTEN_ANEW: Final = HOP_BY_HOP | {b"host", b"content-length"}
_NOT_FROM_EVERYBODY: Final = _WRITTEN_ANEW | ABOUT_THE_CLIENT
# Connection cannot take it away: whoever is next would look for the end of the body elsewhere than we do.
_NO_OPTION: Final = frozenset({b"content-length"})
_LONGEST_REMEMBERED: Final = 100
_OK: Final = 200
_NO_CONTENT: Final = 204
_NO_OPTIONS: Final[frozenset[bytes]] = frozenset()

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def connection_options(named: Named) -> frozenset[bytes]:
    """The options that ``Connection`` lists, in lower case (RFC 9110 section 7.6.1)."""
    values = named.get(b"connection")
    if values is None:
        return _NO_OPTIONS
    value = b",".join(values)
    return _options_of(value) if len(value) <= _LONGEST_REMEMBERED else _options_of.__wrapped__(value)


@lru_cache(maxsize=64)  # Nearly all of them say keep-alive or close.
def _options_of(value: bytes) -> frozenset[bytes]:
    return frozenset([option.strip(b" \t") for option in value.lower().split(b",")])


def without_hop_by_hop(fields: Sequence[Field], options: frozenset[bytes]) -> list[Field]:
    """The fields of a response that go on: without the hop-by-hop ones and the ``options`` of Connection."""
    return _without(fields, HOP_BY_HOP | (options - _NO_OPTION))


def fit_trailers(trailers: Sequence[Field]) -> list[Field]:
    """The trailers that may go on."""
    return [field for field in trailers if field[0].lower() not in _UNFIT_FOR_TRAILERS] if trailers else []


def response_fields(head: ResponseHead, takes_trailers: bool, via: bool) -> Fields:
    """The fields of a response as a client gets them, but for the end of the body and what becomes of the connection.

    ``takes_trailers`` is whether trailers reach the client, ``via`` whether the response says that it passed here.
    """
    key = (response_fields, takes_trailers, via)
    found: Fields | None = head.fields.kept.get(key)
    if found is None:
        options = connection_options(head.named)
        kept = without_hop_by_hop(head.fields, options if takes_trailers else options | TRAILER)
        if head.status < _OK or head.status == _NO_CONTENT:  # RFC 9110 section 8.6.
            kept = _without(kept, _NO_OPTION)
        found = head.fields.kept[key] = Fields(kept + [via_field(head.minor_version)] if via else kept)
    return found


def interim_response(head: ResponseHead) -> bytes:
    """An interim response as it goes on: all of it is a head."""
    return response_head(head.status, head.reason, response_fields(head, False, False)) + b"\r\n"


def via_field(minor_version: int) -> Field:
    """What RFC 9110 section 7.6.3 lets an intermediary say of a message that came in this version."""
    return b"Via", b"1.%d deston" % minor_version


def takes_trailers(named: Named) -> bool:
    """Whether a client says in ``TE`` that it takes trailers."""
    values = named.get(b"te")
    return values is not None and any(
        coding.strip(b" \t").lower() == b"trailers" for coding in b",".join(values).split(b",")
    )


def wanted_upgrade(named: Named) -> bytes:
    """The protocol that a client would like to go on with (RFC 9110 section 7.8), empty where there is none.

    HTTP/2 is not asked for: requests to a server that took it up would go past routes and rules.
    """
    wanted = named.get(b"upgrade")
    if wanted is None or b"upgrade" not in connection_options(named):
        return b""
    value = b", ".join(wanted)
    return b"" if b"h2c" in value.lower() else value


def _without(fields: Sequence[Field], names: frozenset[bytes]) -> list[Field]:
    return [field for field in fields if field[0].lower() not in names]


def is_trusted(peer: str, trusted: Sequence[Network]) -> bool:
    """Whether a peer's word about its client counts; a peer without an address (a unix socket) is not trusted."""
    if not trusted:
        return False
    try:
        address = ipaddress.ip_address(client_key(peer))
    except ValueError:
        return False
    return _is_among(address, trusted)


def _is_among(address: IpAddress, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def client_address(peer: str, named: Named, trusted: Sequence[Network]) -> str:
    """The address of the client behind a peer that is trusted: ``X-Forwarded-For`` is walked from the right.

    What stands left of the first address that is not trusted was said by somebody unknown and is ignored.
    """
    client = peer
    for entry in reversed(b",".join(named.get(X_FORWARDED_FOR, ())).split(b",")):
        address = _read_address(entry)
        if address is None:
            break
        client = str(address)
        if not _is_among(address, trusted):
            break
    return client


def _read_address(entry: bytes) -> IpAddress | None:
    """An address with or without a port; None for anything else."""
    text = entry.strip(b" \t").decode("latin-1")
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def upstream_fields(
    fields: Sequence[Field],
    options: frozenset[bytes],
    peer: str,
    scheme: str,
    host: bytes,
    trusted: bool,
    forms: frozenset[Forwarded],
) -> list[Field]:
    """The fields of a request as a server gets them, but for Host and the end of the body.

    ``options`` are those of Connection. What the server is to know of the client is added in the forms that the
    listener asks for: from a trusted peer its own account goes on, and the peer is added to it; from any other peer
    it is dropped.
    """
    kept = _without(fields, (_WRITTEN_ANEW if trusted else _NOT_FROM_EVERYBODY) | options)
    said = by_name(kept) if trusted else {}
    if Forwarded.X_FORWARDED in forms:
        kept = _with_x_forwarded(kept, said, peer, scheme, host)
    if Forwarded.RFC7239 in forms:
        kept = _appended(kept, said, b"Forwarded", _forwarded_element(peer, scheme, host))
    return kept


@lru_cache(maxsize=1024)
def peer_lines(peer: str) -> bytes:
    """What tells a server of an untrusted peer, and of nothing else, in the form ``X-Forwarded-For``."""
    return field_lines([(b"X-Forwarded-For", client_key(peer).encode())]) if peer else b""


def forwarded_line(peer: str, scheme: str, host: bytes) -> bytes:
    """The line that tells a server of an untrusted peer in the form of RFC 7239."""
    return field_lines([(b"Forwarded", _forwarded_element(peer, scheme, host))])


def _with_x_forwarded(fields: list[Field], said: Named, peer: str, scheme: str, host: bytes) -> list[Field]:
    if peer:
        fields = _appended(fields, said, b"X-Forwarded-For", client_key(peer).encode())
    if b"x-forwarded-proto" not in said:
        fields.append((b"X-Forwarded-Proto", scheme.encode()))
    if host and b"x-forwarded-host" not in said:
        fields.append((b"X-Forwarded-Host", host))
    return fields


def _appended(fields: list[Field], said: Named, name: bytes, value: bytes) -> list[Field]:
    """The fields with one more element at the end of a list field, which is one line afterwards."""
    lowered = name.lower()
    before = said.get(lowered)
    if before is None:
        fields.append((name, value))
        return fields
    return [*_without(fields, frozenset({lowered})), (name, b", ".join([*before, value]))]


def _forwarded_element(peer: str, scheme: str, host: bytes) -> bytes:
    """One element of RFC 7239 section 4; an IPv6 address is bracketed and quoted, an unknown peer is ``unknown``."""
    address = client_key(peer) or "unknown"
    node = f'"[{address}]"' if ":" in address else address
    element = f"for={node};proto={scheme}".encode()
    return element + b';host="' + host + b'"' if host else element
