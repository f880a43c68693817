from __future__ import annotations

import ipaddress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deston.address import Address
from deston.config.http_rules import (
    Condition,
    FixedResponse,
    HeaderRules,
    MapBack,
    Mirror,
    PoolShare,
    RateKey,
    RateLimit,
    Redirect,
    RouteConfig,
    SameSite,
    UnderscoreHeaders,
)
from deston.config.load import load
from deston.config.log_words import LineFormat, LogLevel
from deston.config.model import (
    AdminConfig,
    AdminState,
    CheckType,
    Config,
    Forwarded,
    GlobalConfig,
    HealthConfig,
    ListenerConfig,
    ListenerTlsConfig,
    LogFormat,
    LogSink,
    LogTarget,
    Network,
    OnLeaving,
    PoolConfig,
    Protocol,
    RetryCause,
    RetryOn,
    SendProxyProtocol,
    ServerConfig,
    TlsConfig,
    TlsMode,
    TlsVersion,
)
from deston.errors import ConfigError, Problem
from tests.builders import make_health_config, make_listener, make_listener_tls, make_pool_config
from tests.unit.config.texts import GOOD, GOOD_RUST, load_text

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / "tests" / "data" / "config"
CONF = ROOT / "conf"

#: What spec.ini says where a file says nothing.
NO_TLS = TlsConfig(verify=True, ca="", server_name="", client_certificate="", client_key="")
TCP_CHECKS = HealthConfig(
    type=CheckType.TCP,
    interval=2.0,
    timeout=2.0,
    rise=2,
    fall=3,
    method="GET",
    path="/",
    host="",
    expect_status=((200, 399),),
    expect_body="",
    send=b"",
    expect=b"",
)


def networks(*texts: str) -> tuple[Network, ...]:
    return tuple(map(ipaddress.ip_network, texts))


def ordinary_listener(name: str, bind: Address, protocol: Protocol | None, pool: str) -> ListenerConfig:
    return make_listener(protocol, name, bind=bind, pool=pool)  # type: ignore[arg-type]


def ordinary_pool(name: str, *servers: ServerConfig, health: HealthConfig = TCP_CHECKS, **changes: Any) -> PoolConfig:
    return make_pool_config(*servers, name=name, tls=NO_TLS, health=health, **changes)


def test_defaults_are_those_of_the_schema(tmp_path: Path) -> None:
    """The shortest file has the default of every key that it leaves out."""
    text = "[listeners]\n[[a]]\nbind=[::]:1\nprotocol=tcp\npool=b\n[pools]\n[[b]]\n[[[servers]]]\nc=x:2\n"
    config = load_text(tmp_path, text)
    assert config == Config(
        file=str(tmp_path / "x.conf"),
        global_=GlobalConfig(
            run_dir=str(tmp_path / "run"),
            workers=1,
            store="sqlite",
            drain_timeout=30.0,
            max_connections=0,
            secret_file="",
            stop_delay=5.0,
        ),
        admin=AdminConfig(bind=Address("127.0.0.1", 9900), token=""),
        listeners=(ordinary_listener("a", Address("::", 1), Protocol.TCP, "b"),),
        pools=(ordinary_pool("b", ServerConfig("c", Address("x", 2))),),
        routes=(),
    )
    server = config.pools[0].servers[0]
    assert (server.weight, server.max_connections, server.backup, server.state) == (1, 0, False, AdminState.READY)


def test_every_key_is_read() -> None:
    """A file that uses every key becomes values that all differ from the defaults."""
    config = load(str(DATA / "full.conf"))
    assert config.global_ == GlobalConfig(
        run_dir=str(DATA / "state"),
        workers=4,
        store="redis://127.0.0.1:6379/0",
        drain_timeout=0.0,
        max_connections=5000,
        secret_file=str(DATA / "deston.secret"),
        stop_delay=10.0,
        nameservers=(Address("10.0.0.53", 53), Address("2001:db8::53", 5353)),
        log_format=LineFormat.JSON,
        log_level=LogLevel.WARNING,
    )
    assert config.admin == AdminConfig(bind=Address("::", 9900), token="with # and , in it", read_token="for eyes only")
    web, db, sni, dns = config.listeners
    assert web == make_listener(
        Protocol.HTTP,
        "web",
        bind=Address(path=str(DATA / "web.sock")),
        backlog=100,
        max_connections=10,
        trusted_proxies=networks("10.0.0.0/8", "2001:db8::/32", "192.0.2.1/32"),
        forwarded=frozenset(Forwarded),
        via=False,
        tls=ListenerTlsConfig(
            mode=TlsMode.TERMINATE,
            certificates=(str(DATA / "tls" / "a.pem"),),
            keys=(),
            client_ca="",
            min_version=TlsVersion.TLS_1_2,
            alpn=(),
        ),
        http2=False,
        keepalive_timeout=0.5,
        header_timeout=5.0,
        body_timeout=6.0,
        write_timeout=7.0,
        max_request_line=4000,
        max_header_size=16384,
        max_header_fields=50,
        max_requests=500,
        max_body_size=10 * 1024 * 1024,
        allow=networks("10.0.0.0/8"),
        max_requests_per_client=5,
        rate_limit=RateLimit(100, 60.0, 20, RateKey.HEADER, "x-api-key"),
        underscore_headers=UnderscoreHeaders.REFUSE,
        underscore_headers_kept=("X_Legacy",),
        request_id="X-Request-ID",
        ready_path="/-/ready",
        error_pages=(("503", str(DATA / "pages" / "down.html")), ("5xx", str(DATA / "pages" / "error.html"))),
        access_log=LogTarget(LogSink.FILE, file=str(DATA / "log" / "web.log")),
        access_log_format=LogFormat.TEMPLATE,
        access_log_template="%(client_address)s %(method)s %(status)s %(header:User-Agent)s",
        request_header=HeaderRules(
            (("X-Client", "%(client_address)s"),), (("X-Path", "deston, %(listener)s"),), ("X-Debug",)
        ),
        response_header=HeaderRules(
            (("Strict-Transport-Security", "max-age=31536000"),),
            (("X-Server", "%(server)s"),),
            ("X-Powered-By", "Server"),
        ),
    )
    assert db == make_listener(
        Protocol.TCP,
        "db",
        bind=Address("::1", 0),
        pool="db",
        max_connections=20,
        allow=networks("10.0.0.0/8", "::1/128"),
        deny=networks("10.9.0.0/16"),
        max_connections_per_client=3,
        connection_rate=7,
        client_timeout=90.0,
        client_idle_timeout=60.0,
        max_lifetime=86400.0,
        handshake_timeout=2.0,
        linger_timeout=0.0,
        accept_proxy_protocol=True,
        trusted_proxies=networks("10.0.0.0/8"),
        tls=ListenerTlsConfig(
            mode=TlsMode.TERMINATE,
            certificates=(str(DATA / "tls" / "a.pem"), "/etc/b.pem"),
            keys=(str(DATA / "tls" / "a.key"), "/etc/b.key"),
            client_ca=str(DATA / "tls" / "clients.pem"),
            min_version=TlsVersion.TLS_1_3,
            alpn=("postgresql", "x"),
        ),
        access_log=LogTarget(LogSink.FILE, file=str(DATA / "log" / "db.log")),
        access_log_format=LogFormat.JSON,
    )
    assert sni == make_listener(
        Protocol.TCP,
        "sni",
        bind=Address("127.0.0.1", 8443),
        pool="",
        tls=make_listener_tls(TlsMode.PASSTHROUGH),
        access_log=LogTarget(LogSink.SYSLOG, address=Address("127.0.0.1", 514)),
    )
    assert dns == make_listener(
        Protocol.UDP,
        "dns",
        bind=Address("127.0.0.1", 8443),
        pool="udp",
        responses=1,
        session_timeout=2.0,
        max_sessions=10,
        access_log=LogTarget(LogSink.SYSLOG, address=Address(path="/dev/log")),
    )
    assert config.routes == (
        RouteConfig(
            "api", ("api.example.com", "*.api.example.com"), "/v1/", pools=(PoolShare("app"),), strip_prefix="/v1"
        ),
        RouteConfig(
            "rest",
            (),
            "/rest",
            pools=(PoolShare("app", 95), PoolShare("db", 5)),
            methods=("GET", "POST"),
            headers=(Condition("x-version", "2"), Condition("x-beta")),
            queries=(Condition("debug", "1"), Condition("name", "^a", True)),
            clients=networks("10.0.0.0/8"),
            listener="web",
            replace_prefix="/new",
            add_prefix="/v2",
            map_back=frozenset(MapBack),
            mirror=Mirror("db", 0.1, 16 * 1024),
            allow=networks("10.1.0.0/16"),
            deny=networks("10.1.2.0/24"),
            rate_limit=RateLimit(10, 1.0, 10),
            request_header=HeaderRules((("X-A", "1"),), (("X-B", "2"),), ("X-C",)),
            response_header=HeaderRules((("X-D", "%(status)s"),), (("X-E", "3"),), ("X-F",)),
        ),
        RouteConfig("old", path_exact="/old", redirect=Redirect(301, "https", "www.example.com", "/new")),
        RouteConfig(
            "down",
            path_regex="/items/[0-9]+$",
            respond=FixedResponse(503, str(DATA / "pages" / "down.html"), "text/html"),
        ),
        RouteConfig(
            "secure",
            pools=(PoolShare("db"),),
            listener="sni",
            sni=("db.example.com", "*.db.example.com", "*"),
            alpn=("h2", "http/1.1"),
        ),
    )
    assert config.pools == (
        PoolConfig(
            name="app",
            algorithm="header_hash",
            hash_key="X-User",
            hash_balance_factor=150,
            retries=0,
            connect_timeout=0.1,
            server_timeout=7200.0,
            tunnel_timeout=10800.0,
            half_close_timeout=1.0,
            server_idle_timeout=3.0,
            max_lifetime=3600.0,
            handshake_timeout=4.0,
            queue=0,
            queue_timeout=1.0,
            on_down=OnLeaving.CLOSE,
            on_remove=OnLeaving.DRAIN,
            slow_start=30.0,
            mark_failures=5,
            mark_window=20.0,
            mark_time=15.0,
            mark_statuses=frozenset({500, 502, 503, 504}),
            mark_after=10,
            send_proxy_protocol=SendProxyProtocol.OFF,
            source_address="127.0.0.2",
            host_header="www.example.com:8080",
            affinity_cookie="SERVED_BY",
            affinity_lifetime=3600.0,
            affinity_same_site=SameSite.STRICT,
            max_idle_connections=0,
            idle_timeout=1.0,
            max_connection_age=300.0,
            retry_on=RetryOn(frozenset({RetryCause.TIMEOUT}), frozenset({502, 503})),
            tls=TlsConfig(
                verify=False,
                ca=str(DATA / "tls" / "ca.pem"),
                server_name="www.example.com",
                client_certificate="/etc/client.pem",
                client_key=str(DATA.parent / "client.key"),
            ),
            health=HealthConfig(
                type=CheckType.HTTP,
                interval=1.0,
                timeout=0.5,
                rise=1,
                fall=1,
                method="HEAD",
                path="/healthz?full=yes",
                host="health.example.com",
                expect_status=((200, 200), (300, 302)),
                expect_body="(?i)all, good #1",
                send=b"",
                expect=b"",
            ),
            servers=(
                ServerConfig("a", Address("127.0.0.1", 3000), weight=3, max_connections=1000),
                ServerConfig("b", Address("10.0.0.9", 443), tls=True, backup=True, state=AdminState.DRAIN),
                ServerConfig("c", Address("2001:db8::1", 8443), tls=True, weight=0),
                ServerConfig("d", Address("app.example.com", 80), state=AdminState.MAINT),
                ServerConfig("e", Address(path=str(DATA / "app.sock"))),
            ),
        ),
        ordinary_pool(
            "udp",
            ServerConfig("a", Address("127.0.0.1", 5432)),
            send_proxy_protocol=SendProxyProtocol.V2,
            health=make_health_config(type=CheckType.UDP, send=b"\0\r\n\t\\?", expect=b"yes"),
        ),
        ordinary_pool("db", ServerConfig("a", Address("127.0.0.1", 5432))),
    )


def test_the_rust_form_is_read() -> None:
    """A file in the Rust form becomes one listener and one pool, with the defaults of Deston's own form."""
    config = load(str(DATA / "rust.toml"))
    assert config == Config(
        file=str(DATA / "rust.toml"),
        global_=GlobalConfig(
            run_dir=str(DATA / "run"),
            workers=1,
            store="sqlite",
            drain_timeout=30.0,
            max_connections=0,
            secret_file="",
            stop_delay=5.0,
        ),
        admin=AdminConfig(bind=Address("127.0.0.1", 9900), token=""),
        listeners=(ordinary_listener("main", Address("0.0.0.0", 8000), Protocol.TCP, "main"),),
        pools=(
            ordinary_pool(
                "main",
                ServerConfig("server1", Address("127.0.0.1", 3000), weight=3, max_connections=100),
                ServerConfig("server2", Address("localhost", 3001)),
                ServerConfig("server3", Address("::1", 3002)),
                algorithm="least_connections",
            ),
        ),
    )


@pytest.mark.parametrize("name", ["deston.conf", "chain.conf", "config.toml"])
def test_the_examples_are_good(name: str) -> None:
    """What is shipped in conf/ has no problem."""
    assert load(str(CONF / name)).listeners


def test_the_chain_leads_from_l7_through_l4() -> None:
    """In both examples a server of an http listener's pool is the tcp listener of the same file."""
    for name, pool in (("deston.conf", "l4"), ("chain.conf", "l4")):
        config = load(str(CONF / name))
        (tcp,) = config.listeners_of(Protocol.TCP)
        assert [server.address for server in config.pool(pool).servers] == [tcp.bind]
        assert pool in {*(one.pool for one in config.listeners_of(Protocol.HTTP)), *(one.pool for one in config.routes)}


#: What a slip of the fingers, of the clipboard or of the disk puts into a file.
SLIPS = st.sampled_from(
    ["", '"', "'", "#", ",", "[", "]", "[[", "=", '"""', "'''", "\n", " ", "\t", "\\", "{", "}", "é", "\x00", "\ufeff"]
    + ["0", "-1", "9" * 30, "1.5s", "unix:", "http://", "://", "%(x)s", "__many__", "DEFAULT", "None", "[global]\n"]
)


@st.composite
def spoiled(draw: st.DrawFn, text: str) -> str:
    """``text`` with a few places cut out, doubled or overwritten."""
    for _ in range(draw(st.integers(1, 4))):
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        end = min(end, start + draw(st.sampled_from([0, 1, 5, 60])))
        piece = draw(SLIPS | st.just(text[start:end] * 2))
        text = text[:start] + piece + text[end:]
    return text


def problems_or_none(file: str) -> list[Problem] | None:
    try:
        load(file)
    except ConfigError as error:
        return error.problems
    return None


def load_or_refuse(raw: bytes, name: str) -> None:
    """Load a file of these bytes: all that may come of it is a ``Config``, or problems that can be printed."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_bytes(raw)
        problems = problems_or_none(str(file))
        assert problems is None or problems
        assert all(str(one).startswith(str(file)) and "\n" not in str(one) for one in problems or ())


@given(spoiled((CONF / "deston.conf").read_text(encoding="utf-8")) | spoiled(GOOD) | st.text(), st.just("x.conf"))
def test_a_spoiled_file_is_told_in_sentences(text: str, name: str) -> None:
    """Whatever happened to a file, it loads or has problems; nothing else is ever raised."""
    load_or_refuse(text.encode("utf-8", "surrogatepass"), name)


@given(spoiled((CONF / "config.toml").read_text(encoding="utf-8")) | spoiled(GOOD_RUST) | st.text())
def test_a_spoiled_rust_file_is_told_in_sentences(text: str) -> None:
    """The same holds for the Rust form."""
    load_or_refuse(text.encode("utf-8", "surrogatepass"), "x.toml")


@given(st.binary(), st.sampled_from(["x.conf", "x.toml"]))
def test_bytes_are_told_in_sentences(raw: bytes, name: str) -> None:
    """A file need not even be text."""
    load_or_refuse(raw, name)
