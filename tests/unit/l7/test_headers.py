"""What becomes of header fields on their way through."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deston.config.model import Forwarded, Network
from deston.l7 import headers
from deston.l7.fields import Field, by_name
from tests.properties import unhurried
from tests.unit.l7.test_http1 import tokens, values

X_FORWARDED = frozenset({Forwarded.X_FORWARDED})
RFC7239 = frozenset({Forwarded.RFC7239})
OFF: frozenset[Forwarded] = frozenset()

# Each hop-by-hop field, with a value as it comes; None of these concerns whoever is next.
HOP_BY_HOP = [
    (b"Connection", b"keep-alive"),
    (b"Keep-Alive", b"timeout=5"),
    (b"Proxy-Connection", b"keep-alive"),
    (b"TE", b"trailers"),
    (b"Transfer-Encoding", b"chunked"),
    (b"Upgrade", b"websocket"),
]

any_fields = st.lists(
    st.tuples(
        st.one_of(tokens, st.sampled_from([name for name, _ in HOP_BY_HOP] + [b"X-A", b"x-a", b"Cookie"])), values
    ),
    max_size=15,
)


def networks(*texts: str) -> tuple[Network, ...]:
    return tuple(map(ipaddress.ip_network, texts))


def upstream(
    *fields: Field,
    peer: str = "192.0.2.1",
    scheme: str = "http",
    host: bytes = b"a.test",
    trusted: bool = False,
    forms: frozenset[Forwarded] = X_FORWARDED,
) -> list[Field]:
    """The fields of a request as a server gets them."""
    options = headers.connection_options(by_name(fields))
    return headers.upstream_fields(fields, options, peer, scheme, host, trusted, forms)


def downstream(*fields: Field) -> list[Field]:
    """The fields of a response as a client gets them."""
    return headers.without_hop_by_hop(fields, headers.connection_options(by_name(fields)))


@pytest.mark.parametrize("field", HOP_BY_HOP)
@pytest.mark.parametrize("spelled", [bytes.lower, bytes.upper, bytes.title])
def test_hop_by_hop_fields_stay_here(field: Field, spelled: object) -> None:
    """A field about a connection goes no further, in either direction and however it is spelled."""
    name = spelled(field[0])  # type: ignore[operator]
    assert downstream((b"A", b"1"), (name, field[1]), (b"B", b"2")) == [(b"A", b"1"), (b"B", b"2")]
    assert upstream((b"A", b"1"), (name, field[1]), (b"B", b"2"), forms=OFF) == [(b"A", b"1"), (b"B", b"2")]


def test_fields_that_connection_names_stay_here() -> None:
    """What Connection lists is about the connection, too, in any case and over several lines."""
    fields = [
        (b"Connection", b"close, X-Hop,, \tother "),
        (b"x-hop", b"1"),
        (b"CONNECTION", b"Third"),
        (b"Other", b"2"),
        (b"Third", b"3"),
        (b"Fourth", b"4"),
    ]
    assert downstream(*fields) == [(b"Fourth", b"4")]
    assert upstream(*fields, forms=OFF) == [(b"Fourth", b"4")]


def test_connection_cannot_take_the_length_of_a_body_away() -> None:
    """A response whose Connection names Content-Length keeps it: else its end would be sought elsewhere."""
    fields = [(b"Connection", b"Content-Length"), (b"Content-Length", b"5")]
    assert downstream(*fields) == [(b"Content-Length", b"5")]


def test_host_and_length_are_written_anew() -> None:
    """Neither the Host nor the length of a request is passed on as it came: both are written once, by us."""
    assert upstream((b"Host", b"x"), (b"Content-Length", b"5"), (b"content-length", b"6"), forms=OFF) == []


@unhurried
@given(any_fields)
def test_all_other_fields_keep_order_case_and_repeats(fields: list[Field]) -> None:
    """What goes on is what came, without the fields that stay here; nothing else is touched."""
    dropped = {name.lower() for name, _ in HOP_BY_HOP}
    for name, value in fields:
        if name.lower() == b"connection":
            dropped |= {option.strip(b" \t").lower() for option in value.split(b",")}
    kept = [field for field in fields if field[0].lower() not in dropped]
    assert downstream(*fields) == kept
    rewritten = {b"host", b"content-length", *headers.ABOUT_THE_CLIENT}
    assert upstream(*fields, forms=OFF) == [field for field in kept if field[0].lower() not in rewritten]


@unhurried
@given(any_fields, st.booleans(), st.sampled_from([OFF, X_FORWARDED, RFC7239, X_FORWARDED | RFC7239]))
def test_what_is_added_comes_last(fields: list[Field], trusted: bool, forms: frozenset[Forwarded]) -> None:
    """The fields about the client stand behind those of the client, and once each."""
    ours = {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded"}
    found = upstream(*fields, trusted=trusted, forms=forms)
    names = [name.lower() for name, _ in found]
    added = [name for name in names if name in ours]
    assert names[len(names) - len(added) :] == added
    assert len(set(added)) == len(added)
    assert len(added) == 3 * (Forwarded.X_FORWARDED in forms) + (Forwarded.RFC7239 in forms)


def test_a_client_that_nobody_trusts_says_nothing_about_itself() -> None:
    """Whatever it claims, in any of the usual fields, is dropped, also where nothing is put in its place."""
    claims = [(name.title(), b"203.0.113.9") for name in sorted(headers.ABOUT_THE_CLIENT)]
    assert upstream(*claims, (b"A", b"1"), forms=OFF) == [(b"A", b"1")]
    assert upstream(*claims) == [
        (b"X-Forwarded-For", b"192.0.2.1"),
        (b"X-Forwarded-Proto", b"http"),
        (b"X-Forwarded-Host", b"a.test"),
    ]


def test_a_trusted_peer_is_believed_and_added() -> None:
    """What a trusted proxy says goes on, its own address is added to the list, and what it said stays."""
    found = upstream(
        (b"X-Forwarded-For", b"203.0.113.9"),
        (b"x-forwarded-proto", b"https"),
        (b"X-Forwarded-Host", b"b.test"),
        (b"X-Real-IP", b"203.0.113.9"),
        (b"A", b"1"),
        (b"x-forwarded-for", b"198.51.100.7"),
        trusted=True,
    )
    assert found == [
        (b"x-forwarded-proto", b"https"),
        (b"X-Forwarded-Host", b"b.test"),
        (b"X-Real-IP", b"203.0.113.9"),
        (b"A", b"1"),
        (b"X-Forwarded-For", b"203.0.113.9, 198.51.100.7, 192.0.2.1"),
    ]


def test_a_trusted_peer_that_says_nothing_is_the_client() -> None:
    """Without an account of a trusted peer, there is ours."""
    assert upstream(trusted=True, scheme="https") == [
        (b"X-Forwarded-For", b"192.0.2.1"),
        (b"X-Forwarded-Proto", b"https"),
        (b"X-Forwarded-Host", b"a.test"),
    ]


def test_what_connection_names_is_no_account_of_the_client() -> None:
    """A list that Connection takes away is gone, and ours stands alone."""
    fields = [(b"Connection", b"X-Forwarded-For"), (b"X-Forwarded-For", b"203.0.113.9")]
    assert (b"X-Forwarded-For", b"192.0.2.1") in upstream(*fields, trusted=True)


def test_without_a_host_none_is_claimed() -> None:
    """A client of HTTP/1.0 that names no host is given none."""
    assert upstream(host=b"") == [(b"X-Forwarded-For", b"192.0.2.1"), (b"X-Forwarded-Proto", b"http")]


def test_a_unix_socket_has_no_address() -> None:
    """A peer without an address is no element of the list, and unknown to RFC 7239 (section 6.3)."""
    assert b"X-Forwarded-For" not in dict(upstream(peer=""))
    assert upstream(peer="", forms=RFC7239) == [(b"Forwarded", b'for=unknown;proto=http;host="a.test"')]


@pytest.mark.parametrize(
    ("peer", "x_forwarded_for", "forwarded"),
    [
        ("192.0.2.1", b"192.0.2.1", b'for=192.0.2.1;proto=http;host="a.test"'),
        ("2001:db8::1", b"2001:db8::1", b'for="[2001:db8::1]";proto=http;host="a.test"'),
        ("::ffff:192.0.2.1", b"192.0.2.1", b'for=192.0.2.1;proto=http;host="a.test"'),
        ("fe80::1%eth0", b"fe80::1", b'for="[fe80::1]";proto=http;host="a.test"'),
    ],
)
def test_how_an_address_is_written(peer: str, x_forwarded_for: bytes, forwarded: bytes) -> None:
    """An address stands alone in X-Forwarded-For, and quoted as RFC 7239 section 6 wants it in Forwarded."""
    assert upstream(peer=peer)[0] == (b"X-Forwarded-For", x_forwarded_for)
    assert upstream(peer=peer, forms=RFC7239) == [(b"Forwarded", forwarded)]


def test_forwarded_elements_make_one_list() -> None:
    """Our element stands behind those of a trusted proxy, in one field; those of anybody else are dropped."""
    said = [(b"Forwarded", b"for=203.0.113.9"), (b"Forwarded", b"for=_hidden;by=x")]
    ours = b'for=192.0.2.1;proto=https;host="a.test:8443"'
    asked = {"scheme": "https", "host": b"a.test:8443", "forms": RFC7239}
    assert upstream(*said, trusted=True, **asked) == [  # type: ignore[arg-type]
        (b"Forwarded", b"for=203.0.113.9, for=_hidden;by=x, " + ours)
    ]
    assert upstream(*said, **asked) == [(b"Forwarded", ours)]  # type: ignore[arg-type]


def test_both_forms_at_once() -> None:
    """A listener may ask for both forms."""
    names = [name for name, _ in upstream(forms=X_FORWARDED | RFC7239)]
    assert names == [b"X-Forwarded-For", b"X-Forwarded-Proto", b"X-Forwarded-Host", b"Forwarded"]


@pytest.mark.parametrize(
    ("peer", "trusted", "expected"),
    [
        ("10.1.2.3", ["10.0.0.0/8"], True),
        ("11.1.2.3", ["10.0.0.0/8"], False),
        ("10.1.2.3", ["192.0.2.0/24", "10.1.2.3"], True),
        ("10.1.2.3", [], False),
        ("10.1.2.3", ["2001:db8::/32"], False),
        ("2001:db8::1", ["2001:db8::/32"], True),
        ("2001:db9::1", ["2001:db8::/32"], False),
        ("2001:db8::1", ["10.0.0.0/8"], False),
        # The address of an IPv4 client, as a socket for both families gives it.
        ("::ffff:10.1.2.3", ["10.0.0.0/8"], True),
        ("::ffff:11.1.2.3", ["10.0.0.0/8"], False),
        ("fe80::1%eth0", ["fe80::/10"], True),
        ("", ["0.0.0.0/0", "::/0"], False),
        ("localhost", ["0.0.0.0/0"], False),
    ],
)
def test_who_is_trusted(peer: str, trusted: list[str], expected: bool) -> None:
    """A peer is trusted by its address alone, in the networks that the listener names."""
    assert headers.is_trusted(peer, networks(*trusted)) is expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # Nothing was said.
        ([], "10.0.0.1"),
        ([b""], "10.0.0.1"),
        # One proxy.
        ([b"203.0.113.9"], "203.0.113.9"),
        ([b" 203.0.113.9\t"], "203.0.113.9"),
        # Spoofed: what the client itself wrote stands on the left.
        ([b"198.51.100.1, 203.0.113.9"], "203.0.113.9"),
        ([b"127.0.0.1, 203.0.113.9"], "203.0.113.9"),
        ([b"10.9.9.9, 203.0.113.9"], "203.0.113.9"),
        # Two proxies, both trusted.
        ([b"203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ([b"198.51.100.1,203.0.113.9,10.0.0.2,10.0.0.3"], "203.0.113.9"),
        # Over several lines, which are one list.
        ([b"198.51.100.1, 203.0.113.9", b"10.0.0.2"], "203.0.113.9"),
        ([b"203.0.113.9", b"198.51.100.1"], "198.51.100.1"),
        # All trusted: the first of them is the client.
        ([b"10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        # What is no address ends the walk at the last one that was.
        ([b"203.0.113.9, unknown"], "10.0.0.1"),
        ([b"203.0.113.9, unknown, 10.0.0.2"], "10.0.0.2"),
        ([b"203.0.113.9, , 10.0.0.2"], "10.0.0.2"),
        ([b"203.0.113.9, _hidden, 10.0.0.2"], "10.0.0.2"),
        ([b"203.0.113.9;10.0.0.2"], "10.0.0.1"),
        ([b"203.0.113.9, 999.1.1.1"], "10.0.0.1"),
        ([b"\xff\xfe"], "10.0.0.1"),
        # Ports, which some proxies add.
        ([b"203.0.113.9:4711"], "203.0.113.9"),
        ([b"203.0.113.9:4711, 10.0.0.2:80"], "203.0.113.9"),
        # IPv6, with and without brackets and port.
        ([b"2001:db8::9"], "2001:db8::9"),
        ([b"[2001:db8::9]"], "2001:db8::9"),
        ([b"[2001:db8::9]:4711"], "2001:db8::9"),
        ([b"2001:DB8:0:0::9, fd00::2"], "2001:db8::9"),
        ([b"2001:db8::9, [fd00::2]:443"], "2001:db8::9"),
        # IPv4 in IPv6 is IPv4, in either spelling.
        ([b"::ffff:203.0.113.9"], "203.0.113.9"),
        ([b"203.0.113.9, ::ffff:10.0.0.2"], "203.0.113.9"),
        ([b"203.0.113.9, ::ffff:a00:2"], "203.0.113.9"),
    ],
)
def test_the_walk_from_the_right(lines: list[bytes], expected: str) -> None:
    """The client is the first address from the right that nobody trusts; what is left of it is hearsay."""
    named = by_name([(b"X-Forwarded-For", line) for line in lines])
    assert headers.client_address("10.0.0.1", named, networks("10.0.0.0/8", "fd00::/8")) == expected


addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)


@unhurried
@given(st.lists(addresses, max_size=6), st.integers(0, 3))
def test_nothing_that_a_client_writes_moves_its_address(forged: list[str], proxies: int) -> None:
    """However many entries a client forges, behind any number of trusted proxies it is found by its own address."""
    chain = [*forged, "203.0.113.9", *["10.0.0.7"] * proxies]
    named = by_name([(b"X-Forwarded-For", ", ".join(chain).encode())])
    assert headers.client_address("10.0.0.1", named, networks("10.0.0.0/8")) == "203.0.113.9"
