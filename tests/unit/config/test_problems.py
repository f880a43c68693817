"""Each kind of mistake in a file, and the line, path and sentence that it is told with."""

from __future__ import annotations

from pathlib import Path

import pytest

from deston.config.algorithms import ALGORITHMS
from tests.unit.config.texts import GOOD, changed, load_text, problems_of

SERVER_A = "a = 127.0.0.1:3000\n"
SERVERS = "        a = 127.0.0.1:3000\n        b = 127.0.0.1:3001, weight=2\n"
NO_POOL = "routes.api.pool: a route needs a pool, a redirect or a response (respond)"
WEB_BIND = "bind = 127.0.0.1:8080"

#: A key of a route that is wrong, and what is said of it.
ROUTE_KEYS = [
    ("method = G ET", "method: 'G ET' is not a method"),
    ("header = ': x'", "header: ': x' does not begin with the name of a field"),
    ("header = 'X: ~('", "header: '(' is not a regular expression: missing ), unterminated subpattern at position 0"),
    ("query = '=1'", "query: '=1' does not begin with the name of a parameter"),
    ("client = 10.0.0.0/33", "client: '10.0.0.0/33' is not a network (10.0.0.0/8, 2001:db8::/32 or one address)"),
    ("mirror = nowhere", "mirror: there is no pool 'nowhere'"),
    ("mirror = app, share=0%", "mirror: '0%' is not a share such as 10%"),
    ("mirror = app, max_body=1m", "mirror: max_body is at most 64k: what is copied is kept in memory"),
    ("mirror = app, shre=1%", "mirror: unknown option 'shre' (did you mean 'share'?)"),
    ("map_back = off, cookies", "map_back: 'off' stands alone"),
    ("map_back = locatio", "map_back: unknown part of a response 'locatio' (did you mean 'location'?)"),
    ("rate_limit = 10", "rate_limit: '10' is not a rate such as 10/s or 100/1m"),
    ("rate_limit = 0/s", "rate_limit: a rate is at least one request in some time"),
    ("rate_limit = 1/s, by=x", "rate_limit: unknown way to count 'x' (known: client, header, route)"),
    ("rate_limit = 1/s, by=header", "rate_limit: 'header' is not client, route or header:Name"),
    ("rate_limit = 1/s, burst=0", "rate_limit: it must be from 1 to 1000000000, not 0"),
    ("request_header_set = X", "request_header_set: 'X' is not of the form 'Name: value'"),
    ("request_header_add = 'Host: x'", "request_header_add: Host is the proxy's own business, and not for a rule"),
    ("request_header_set = 'X: %(clnt_address)s'",
     "request_header_set: unknown value %(clnt_address)s (did you mean 'client_address'?)"),
    ("response_header_set = 'X: é'", "response_header_set: 'X: é' holds characters that no field may have"),
    ("response_header_remove = Content-Length",
     "response_header_remove: Content-Length is the proxy's own business, and not for a rule"),
    ("request_header_set = 'X-Forwarded-For: 1'",
     "request_header_set: listeners tell servers of X-Forwarded-For themselves: leave it out of forwarded"),
    ("strip_prefix = /v", "strip_prefix: '/v' is not the beginning of path '/v1/'"),
    ("response_header_remove = 'X Y'", "response_header_remove: 'X Y' is not the name of a field"),
    ("add_prefix = v2", "add_prefix: 'v2' is not a path (it begins with '/' and has no spaces)"),
    ("listener = wb", "listener: there is no listener 'wb' (did you mean 'web'?)"),
]  # fmt: skip
POOL_KEYS = [
    ("hash_key = X", "hash_key: this key is for header_hash, cookie_hash and uri_hash"),
    ("hash_key = X Y", "hash_key: 'X Y' is not a name of letters, digits and '-'"),
    ("hash_balance_factor = 150", "hash_balance_factor: this key is for policies that hash"),
    ("affinity_cookie = a b", "affinity_cookie: 'a b' is not a name of letters, digits and '-'"),
    (
        "affinity_cookie = S\n    affinity_same_site = x",
        "affinity_same_site: unknown choice 'x' (known: lax, strict, none)",
    ),
]
LISTENER_KEYS = [
    ("rate_limit = 1/s, burst", "rate_limit: 'burst' is not of the form option=value"),
    ("underscore_headers = allow", "underscore_headers: unknown choice 'allow' (known: drop, refuse, keep)"),
    ("error_pages = 503", "error_pages: '503' is not of the form 503=file or 5xx=file"),
    ("access_log_format = xml", "access_log_format: unknown format 'xml' (known: text, combined, json, template)"),
    ("access_log_format = '%(statu)s'", "access_log_format: unknown value %(statu)s (did you mean 'status'?)"),
    ("request_id = Host", "request_id: Host is the proxy's own business, and not for a rule"),
    ("request_id = X Y", "request_id: 'X Y' is not a name of letters, digits and '-'"),
]

#: What to replace in the good file, with what, and the problems that this makes.
UNKNOWN = [
    ("workers = 2", "worker = 2", ["2: global.worker: unknown key (did you mean 'workers'?)"]),
    ("workers = 2", "xyzzy = 2", ["2: global.xyzzy: unknown key"]),
    ("workers = 2", "[[inner]]", ["2: global.inner: unknown section"]),
    ("[global]\n", "[globals]\n", ["1: globals: unknown section (did you mean 'global'?)"]),
    ("[global]\n", "[DEFAULT]\n", ["1: DEFAULT: unknown section"]),
    ("[global]\n", "workers = 1\n[global]\n", ["1: workers: unknown key"]),
    ("algorithm = ", "algoritm = ", ["21: pools.app.algoritm: unknown key (did you mean 'algorithm'?)"]),
    ("path = /healthz", "interva = 1s", ["28: pools.app.health.interva: unknown key (did you mean 'interval'?)"]),
    ("[[[health]]]", "[[[helth]]]", ["26: pools.app.helth: unknown section (did you mean 'health'?)"]),
    ("weight=2", "wieght=2", ["25: pools.app.servers.b.wieght: unknown key (did you mean 'weight'?)"]),
    ("algorithm = round_robin", "algorithm = roundrobbin", [
        "21: pools.app.algorithm: unknown policy 'roundrobbin' (did you mean 'round_robin'?)"
    ]),
    ("algorithm = round_robin", "algorithm = xyzzy", [
        "21: pools.app.algorithm: unknown policy 'xyzzy' (known: "
        f"{', '.join(ALGORITHMS)})"
    ]),
    ("[[web]]", "[[__many__]]", []),
    ("[[web]]", "[[my web]]", ["6: listeners.my web: a name is made of letters, digits, '_', '.' and '-'"]),
    (SERVER_A, "'a b' = 127.0.0.1:3000\n", [
        "24: pools.app.servers.a b: a name is made of letters, digits, '_', '.' and '-'"
    ]),
]  # fmt: skip

WRONG_KIND = [
    ("workers = 2", "workers = two", ["2: global.workers: 'two' is not a whole number"]),
    ("workers = 2", "workers = 0", ["2: global.workers: it must be from 1 to 512, not 0"]),
    ("workers = 2", "workers = 1, 2", [
        "2: global.workers: one value is expected, not a list of 2 (put it in quotes if it has a comma)"
    ]),
    ("workers = 2", "workers =", ["2: global.workers: '' is not a whole number"]),
    ("workers = 2", "drain_timeout = 30", [
        "2: global.drain_timeout: '30' has no unit (write 30ms, 30s, 30m or 30h)"
    ]),
    ("workers = 2", "drain_timeout = 3d", [
        "2: global.drain_timeout: unknown unit 'd' in '3d' (ms, s, m and h are known)"
    ]),
    ("workers = 2", "log_format = xml", ["2: global.log_format: unknown format 'xml' (known: text, json)"]),
    ("workers = 2", "log_level = loud", [
        "2: global.log_level: unknown level 'loud' (known: debug, info, warning, error, critical)"
    ]),
    ("workers = 2", "store = mysql", [
        "2: global.store: unknown store 'mysql' (known: memory, sqlite, redis://…)"
    ]),
    ("retries = 1", "connect_timeout = 0", [
        "22: pools.app.connect_timeout: it must be from 1ms to 1000h, not 0"
    ]),
    ("pool = app\n    [[db]]", "max_body_size = 5x\n    pool = app\n    [[db]]", [
        "9: listeners.web.max_body_size: unknown unit 'x' in '5x' (k, m and g are known)"
    ]),
    ("[routes]\n    [[api]]", "[routes]\n    api = 1\n    [[b]]", [
        "15: routes.api: this is a section, not a value: write [[api]]"
    ]),
    ("[global]\nworkers = 2\n", "global = 1\n", ["1: global: this is a section, not a value: write [global]"]),
    ("algorithm = round_robin\n    retries = 1", "[[[algorithm]]]", [
        "21: pools.app.algorithm: this is a value, not a section: write algorithm = …"
    ]),
    ("        [[[health]]]\n        type = http\n        path = /healthz\n", "", []),
    ("[[[health]]]\n        type = http\n        path = /healthz", "c = 127.0.0.1:3002", []),
    ("    retries = 1\n", "    health = none\n", [
        "22: pools.app.health: this is a section, not a value: write [[[health]]]",
        "26: pools.app.health: this name stands twice: first on line 22",
    ]),
    (SERVER_A, "[[[[a]]]]\n", ["24: pools.app.servers.a: a server is one line: name = address, option=value"]),
    ("weight=2", "weight=2.5", ["25: pools.app.servers.b.weight: '2.5' is not a whole number"]),
    ("weight=2", "weight=65536", ["25: pools.app.servers.b.weight: it must be from 0 to 65535, not 65536"]),
    ("weight=2", "backup=maybe", ["25: pools.app.servers.b.backup: 'maybe' is neither yes nor no"]),
    ("weight=2", "state=drained", [
        "25: pools.app.servers.b.state: unknown state 'drained' (did you mean 'drain'?)"
    ]),
    ("weight=2", "weight", ["25: pools.app.servers.b: 'weight' is not of the form option=value"]),
    ("weight=2", "weight=2, weight=3", ["25: pools.app.servers.b: 'weight' stands twice in this line"]),
    ("weight=2", "address=x:1", ["25: pools.app.servers.b: 'address' stands twice in this line"]),
    ("3001, weight", "3001 weight", [
        "25: pools.app.servers.b: '127.0.0.1:3001 weight=2': a comma goes between an address and its options"
    ]),
    ("type = http", "type = https", [
        "27: pools.app.health.type: unknown type of check 'https' (did you mean 'http'?)"
    ]),
    ("protocol = tcp", "protocol = smtp", [
        "12: listeners.db.protocol: unknown protocol 'smtp' (known: http, tcp, udp)"
    ]),
    ("protocol = tcp", "protocol = udp\n    responses = none", [
        "13: listeners.db.responses: 'none' is not a whole number"
    ]),
    ("protocol = tcp", "protocol = tcp\n    tls = on", [
        "13: listeners.db.tls: unknown way of TLS 'on' (known: off, terminate, passthrough)"
    ]),
    ("protocol = http\n", "protocol = http\n    tls = passthrough\n", [
        "9: listeners.web.tls: an http listener cannot read what it passes through: off or terminate"
    ]),
    ("protocol = http\n", "protocol = http\n    http2 = no\n    handshake_timeout = 1s\n", [
        "9: listeners.web.http2: a listener heeds this key with tls = terminate alone",
        "10: listeners.web.handshake_timeout: a listener heeds this key with tls = terminate alone",
    ]),
    ("protocol = tcp", "protocol = tcp\n    access_log = syslog:here", [
        "13: listeners.db.access_log: 'here' has no port (write host:port)"
    ]),
    ("retries = 1", "send_proxy_protocol = v3", [
        "22: pools.app.send_proxy_protocol: unknown version of the PROXY protocol 'v3' (known: off, v1, v2)"
    ]),
    ("retries = 1", "send_proxy_protocol = v1", [
        "22: pools.app.send_proxy_protocol: the http listener 'web' tells servers of its clients by request fields "
        "alone (forwarded)",
    ]),
    ("retries = 1", "source_address = localhost", [
        "22: pools.app.source_address: 'localhost' is not an IPv4 or IPv6 address without a port"
    ]),
    ("type = http\n        path = /healthz", "type = tcp\n        send = \\z", [
        "28: pools.app.health.send: '\\\\z' is not a payload (its escapes are \\r, \\n, \\t, \\\\ and \\xHH)"
    ]),
    ("host = api.example.com", "host = api.example.com:80", [
        "16: routes.api.host: 'api.example.com:80' is more than a host: leave its port out"
    ]),
    ("path = /v1/", "path = v1", ["17: routes.api.path: 'v1' is not a path (it begins with '/' and has no spaces)"]),
    ("path = /v1/", 'path = ""', ["17: routes.api.path: a path begins with '/'"]),
    ("path = /healthz", "expect_status = 2xx", [
        "28: pools.app.health.expect_status: '2xx' is not a status or a range of statuses (200, 200-399)"
    ]),
]  # fmt: skip

MISSING = [
    ("    bind = 127.0.0.1:8080\n", "", ["6: listeners.web.bind: this key is required, and missing"]),
    ("    protocol = http\n", "", ["6: listeners.web.protocol: this key is required, and missing"]),
    ("    path = /v1/\n    pool = app\n", "", [f"15: {NO_POOL}"]),
    ("path = /v1/\n    pool = app\n", "pool =\n", [f"17: {NO_POOL}"]),
    ("protocol = tcp\n    pool = app\n", "protocol = tcp\n", [
        "10: listeners.db.pool: a tcp listener needs a pool where there are no routes for it"
    ]),
    (GOOD[GOOD.index("[listeners]") : GOOD.index("[routes]")], "", [
        "listeners: there is none: write a section [[name]] below [listeners]"
    ]),
    (GOOD[GOOD.index("    [[web]]") : GOOD.index("[routes]")], "", [
        "5: listeners: there is none: write a section [[name]] below [listeners]"
    ]),
    (SERVERS, "", ["23: pools.app.servers: there is no server"]),
    ("        [[[servers]]]\n" + SERVERS, "", ["20: pools.app.servers: there is no server"]),
    (SERVERS, "a = 127.0.0.1:1, weight=0\nb = 127.0.0.1:2, weight=0\n", [
        "23: pools.app.servers: the weight of every server is 0"
    ]),
    (SERVER_A, "a =\n", ["24: pools.app.servers.a.address: '' has no host"]),
    (SERVER_A, "a = ,\n", ["24: pools.app.servers.a.address: '' has no host"]),
]  # fmt: skip

ADDRESSES = [
    (WEB_BIND, "bind = 127.0.0.1:65536", ["7: listeners.web.bind: port 65536 is not between 0 and 65535"]),
    (WEB_BIND, "bind = 127.0.0.1:http", ["7: listeners.web.bind: 'http' is not a port number"]),
    (WEB_BIND, "bind = 127.0.0.1", ["7: listeners.web.bind: '127.0.0.1' has no port (write host:port)"]),
    (WEB_BIND, "bind = 127.0.0.1:0", []),
    (WEB_BIND, "bind = :80", ["7: listeners.web.bind: ':80' has no host (every address is 0.0.0.0:80 or [::]:80)"]),
    (WEB_BIND, "bind = 127.0.0.256:80", ["7: listeners.web.bind: '127.0.0.256' is not an IPv4 address"]),
    (SERVER_A, "a = 127.0.0.1:0\n", ["24: pools.app.servers.a.address: port 0 is not between 1 and 65535"]),
    (SERVER_A, "a = 127.0.0.1:70000\n", ["24: pools.app.servers.a.address: port 70000 is not between 1 and 65535"]),
    (SERVER_A, "a = http://127.0.0.1:3000/api\n", [
        "24: pools.app.servers.a.address: 'http://127.0.0.1:3000/api' has a path: a server is an address, and paths "
        "go on as clients send them"
    ]),
    (SERVER_A, "a = ftp://127.0.0.1:21\n", [
        "24: pools.app.servers.a.address: unknown scheme 'ftp' (http, https and tls are known)"
    ]),
    (WEB_BIND, "bind = 127.0.0.1:5433", [
        "11: listeners.db.bind: 127.0.0.1:5433 is given twice: listeners.web.bind has it on line 7"
    ]),
    (WEB_BIND, "bind = 127.0.0.1:9900", [
        "4: admin.bind: 127.0.0.1:9900 is given twice: listeners.web.bind has it on line 7"
    ]),
    ("127.0.0.1:3001, weight=2", "http://127.0.0.1:3000/", [
        "25: pools.app.servers.b: 127.0.0.1:3000 is given twice: pools.app.servers.a has it on line 24"
    ]),
    (SERVERS, "a = [::1]:3000\nb = [0::1]:3000\n", [
        "25: pools.app.servers.b: [::1]:3000 is given twice: pools.app.servers.a has it on line 24"
    ]),
    (SERVERS, "a = Host:3000\nb = host:3000\n", [
        "25: pools.app.servers.b: host:3000 is given twice: pools.app.servers.a has it on line 24"
    ]),
    (SERVERS, "a = localhost:3000\nb = localhost:3001\n", []),
    (WEB_BIND, "bind = unix:/" + "x" * 107, [
        "7: listeners.web.bind: the path of a unix socket has at most 107 bytes: /" + "x" * 107
    ]),
    (SERVER_A, "a = unix:/" + "x" * 107 + "\n", [
        "24: pools.app.servers.a: the path of a unix socket has at most 107 bytes: /" + "x" * 107
    ]),
    ("bind = 127.0.0.1:9900", "bind = 0.0.0.0:9900", [
        "3: admin.token: a token is required, because 0.0.0.0:9900 can be reached from elsewhere"
    ]),
    ("bind = 127.0.0.1:9900", "bind = 0.0.0.0:9900\ntoken = secret", []),
    ("bind = 127.0.0.1:9900", "token = secret\nread_token = other", []),
    ("bind = 127.0.0.1:9900", "read_token = other", [
        "4: admin.read_token: this key is of no use without token: anybody could change everything"
    ]),
    ("bind = 127.0.0.1:9900", "token = secret\nread_token = secret", [
        "5: admin.read_token: it is the same as token, so it would let clients change everything"
    ]),
]  # fmt: skip

CONTRADICTIONS = [
    ("protocol = http\n    pool = app", "protocol = http\n    pool = ap", [
        "9: listeners.web.pool: there is no pool 'ap' (did you mean 'app'?)"
    ]),
    ("path = /v1/\n    pool = app", "path = /v1/\n    pool = other", [
        "18: routes.api.pool: there is no pool 'other'"
    ]),
    ("protocol = http\n    pool = app", "protocol = http", []),
    (GOOD[GOOD.index("    pool = app\n    [[db]]") : GOOD.index("[pools]")], "", [
        "6: listeners.web.pool: an http listener needs a pool where there are no routes"
    ]),
    ("protocol = http", "protocol = tcp", [
        "15: routes.api: a route by host and path is for http listeners, and there is none (a route for tcp "
        "listeners has sni or alpn)"
    ]),
    ("    pool = app\n    [[db]]", "    client_timeout = 1s\n    pool = app\n    [[db]]", [
        "9: listeners.web.client_timeout: this key is for tcp listeners"
    ]),
    ("protocol = tcp\n", "protocol = tcp\n    forwarded = off\n    keepalive_timeout = 1s\n    max_body_size = 1\n", [
        "13: listeners.db.forwarded: this key is for http listeners",
        "14: listeners.db.keepalive_timeout: this key is for http listeners",
        "15: listeners.db.max_body_size: this key is for http listeners",
    ]),
    ("type = http", "type = tcp", ["28: pools.app.health.path: this key is for checks of type http"]),
    ("        type = http\n", "", ["27: pools.app.health.path: this key is for checks of type http"]),
    ("protocol = tcp", "protocol = udp\n    tls = terminate\n    max_lifetime = 1s", [
        "10: listeners.db.tls_certificate: a listener that terminates TLS needs a certificate",
        "13: listeners.db.tls: this key is for http and tcp listeners",
        "14: listeners.db.max_lifetime: this key is for tcp listeners",
    ]),
    ("protocol = tcp\n    pool = app", "protocol = udp", [
        "10: listeners.db.pool: a udp listener needs a pool",
    ]),
    ("bind = 127.0.0.1:5433\n    protocol = tcp", "bind = 127.0.0.1:5433\n    protocol = udp", []),
    ("protocol = tcp", "protocol = tcp\n    tls = terminate\n    tls_certificate = a, b\n    tls_key = c", [
        "15: listeners.db.tls_key: each certificate has one key, in the same order (2 in tls_certificate, 1 here)"
    ]),
    ("protocol = tcp", "protocol = tcp\n    tls = passthrough\n    tls_certificate = a", [
        "14: listeners.db.tls_certificate: a listener heeds this key with tls = terminate alone"
    ]),
    ("protocol = tcp", "protocol = tcp\n    accept_proxy_protocol = yes", [
        "13: listeners.db.accept_proxy_protocol: nobody could connect: name those who send the header in "
        "trusted_proxies"
    ]),
    ("protocol = tcp", "protocol = tcp\n    trusted_proxies = 10.0.0.0/8", [
        "13: listeners.db.trusted_proxies: a tcp listener heeds this key with accept_proxy_protocol = yes alone"
    ]),
    ("protocol = tcp", "protocol = tcp\n    responses = 1", [
        "13: listeners.db.responses: this key is for udp listeners"
    ]),
    ("host = api.example.com\n    path = /v1/", "sni = api.example.com\n    path = /v1/", [
        "15: routes.api: a route by sni or alpn is for tcp listeners with TLS, and there is none",
        "17: routes.api.path: this key is for the routes of http listeners",
    ]),
    ("path = /v1/", "path = /v1/\n    listener = db", [
        "18: routes.api.listener: the listener 'db' is a tcp listener: its routes have sni or alpn"
    ]),
    *[("path = /v1/", f"path = /v1/\n    {written}", [f"18: routes.api.{told}"]) for written, told in ROUTE_KEYS],
    *[
        ("retries = 1", written, [f"{22 + written.count(chr(10))}: pools.app.{told}"]) for written, told in POOL_KEYS
    ],
    ("retries = 1", "affinity_lifetime = 1h", [
        "22: pools.app.affinity_lifetime: this key is of no use without affinity_cookie"
    ]),
    *[("    bind = 127.0.0.1:8080\n", f"    {written}\n    bind = 127.0.0.1:8080\n", [f"7: listeners.web.{told}"])
      for written, told in LISTENER_KEYS],
    ("path = /v1/\n    pool = app", "path = /v1/\n    redirect = scheme=https\n    pool = app", [
        "15: routes.api: a route has one of pool and redirect, not both"
    ]),
    ("path = /v1/\n    pool = app", "path = /v1/\n    respond = 503\n    map_back = location", [
        "19: routes.api.map_back: this key is for routes with a pool"
    ]),
    ("path = /v1/", "path = /v1/\n    path_exact = /x", [
        "18: routes.api.path_exact: a route has one of path and path_exact, not both"
    ]),
    ("path = /v1/", "strip_prefix = /v1\n    replace_prefix = /x", [
        "17: routes.api.strip_prefix: '/v1' is not the beginning of path '/'",
        "18: routes.api.replace_prefix: strip_prefix takes away what this would replace",
    ]),
    ("path = /v1/", "replace_prefix = /x", [
        "17: routes.api.replace_prefix: this replaces path, which the route does not have"
    ]),
    ("algorithm = round_robin", "algorithm = header_hash", [
        "20: pools.app.hash_key: header_hash needs the name of the header that is hashed"
    ]),
    ("algorithm = round_robin", "algorithm = uri_hash\n    hash_key = x", [
        "22: pools.app.hash_key: with uri_hash this is uri or path"
    ]),
    ("algorithm = round_robin", "algorithm = ip_hash\n    hash_balance_factor = 50", [
        "22: pools.app.hash_balance_factor: no server could have its share: at least 100, or 0"
    ]),
    ("type = http\n        path = /healthz", "type = udp", [
        "26: pools.app.health.send: a udp check needs something to send"
    ]),
    ("retries = 1", "tls_client_key = key.pem", [
        "22: pools.app.tls_client_key: a key is of no use without tls_client_certificate"
    ]),
    ("path = /v1/", "path = /v1/\n    strip_prefix = /v2", [
        "18: routes.api.strip_prefix: '/v2' is not the beginning of path '/v1/'"
    ]),
    ("path = /v1/", "path = /v1/\n    strip_prefix = /v1", []),
    ("[pools]\n", "[[more]]\nhost = x.example.com, API.example.com\npath = /v1/\npool = app\n[pools]\n", [
        "19: routes.more: the route 'api' takes the same requests (api.example.com, /v1/)"
    ]),
    ("    [[api]]\n", "    [[all]]\n    path = /v1/\n    pool = app\n    [[api]]\n", []),
]  # fmt: skip

REPEATED = [
    ("workers = 2", "workers = 2\nworkers = 3", ["3: global.workers: this name stands twice: first on line 2"]),
    ("[[db]]", "[[web]]", ["10: listeners.web: this name stands twice: first on line 6"]),
    ("b = 127.0.0.1:3001", "a = 127.0.0.1:3001", [
        "25: pools.app.servers.a: this name stands twice: first on line 24"
    ]),
    ("[routes]\n", "[global]\nnonsense = 1\n    [[deeper]]\n    nonsense = 2\n[routes]\n", [
        "14: global: this name stands twice: first on line 1"
    ]),
    ("[routes]\n", "[listeners]\n[routes]\nx = 1\n", [
        "14: listeners: this name stands twice: first on line 5",
        "16: routes.x: this is a section, not a value: write [[x]]",
    ]),
]  # fmt: skip

BROKEN = [
    (WEB_BIND, "bind = '127.0.0.1:8080", ["7: listeners.web.bind: a quote is opened and not closed"]),
    (WEB_BIND, 'bind = "127.0.0.1:8080" x', [
        "7: listeners.web.bind: there is text after the closing quote (put a comma between the values of a list)"
    ]),
    (SERVERS, 'a = "127.0.0.1:3000\n', ["24: pools.app.servers.a: a quote is opened and not closed"]),
    ("workers = 2", 'run_dir = """one\ntwo', ["2: global.run_dir: a quote is opened and not closed"]),
    ("workers = 2", 'run_dir = """one\ntwo""" three', [
        "2: global.run_dir: there is text after the closing quote (put a comma between the values of a list)"
    ]),
    ("workers = 2", 'run_dir = """one\ntwo"""', ["2: global.run_dir: it holds characters that cannot be printed"]),
    ("host = api.example.com", "host = a.example.com,, b.example.com", [
        "16: routes.api.host: there is nothing before this comma"
    ]),
    ("bind = 127.0.0.1:9900", "token = half#whole", [
        "4: admin.token: a '#' begins a comment here: put the value in quotes, or a space before the '#'"
    ]),
    ("bind = 127.0.0.1:9900", 'token = "half#whole" # a comment, "with" quotes', []),
    ("[[web]]", "[[web]", ["6: the brackets of this section header do not match"]),
    ("[[web]]", "[[web", ["6: the brackets of this section header do not match"]),
    ("[[web]]", "[[web]] x", ["6: the brackets of this section header do not match"]),
    ("[[web]]", "[[]]", ["6: the brackets of this section header do not match"]),
    ("[[web]]", "[[[web]]]", [
        "6: this section has too many brackets: there is no section above it that it could be part of"
    ]),
    ("workers = 2", "workers", ["2: this is neither a [section] nor a 'key = value' line"]),
    ("workers = 2", "= 2", ["2: this is neither a [section] nor a 'key = value' line"]),
    ("workers = 2", "workers: 2\n[oops", [
        "2: this is neither a [section] nor a 'key = value' line",
        "3: the brackets of this section header do not match",
    ]),
    ("workers = 2", "workers = " + "1" * 8192, ["2: this line is longer than 8192 characters"]),
]  # fmt: skip

ROWS = [*UNKNOWN, *WRONG_KIND, *MISSING, *ADDRESSES, *CONTRADICTIONS, *REPEATED, *BROKEN]


@pytest.mark.parametrize(("old", "new", "expected"), ROWS)
def test_a_mistake_is_told_with_its_line_and_path(old: str, new: str, expected: list[str], tmp_path: Path) -> None:
    """A file with one mistake has that problem and no other; one without has none."""
    text = changed(GOOD, old, new)
    if expected:
        assert problems_of(tmp_path, text) == expected
    else:
        load_text(tmp_path, text)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Problems that different steps find come together, in the order of the file."""
    text = GOOD
    for old, new in [
        ("workers = 2", "workers = two"),
        (WEB_BIND, "bind = '127.0.0.1:8080"),
        ("[[db]]", "[[db]]\n    [[web]]\n    [[db2]]"),
        ("path = /v1/\n    pool = app", "path = /v1/\n    pool = ap"),
        ("algorithm = ", "algoritm = "),
        ("weight=2", "weight=2, weight=3"),
    ]:
        text = changed(text, old, new)
    assert problems_of(tmp_path, text) == [
        "2: global.workers: 'two' is not a whole number",
        "7: listeners.web.bind: a quote is opened and not closed",
        "10: listeners.db.bind: this key is required, and missing",
        "10: listeners.db.protocol: this key is required, and missing",
        "11: listeners.web: this name stands twice: first on line 6",
        "20: routes.api.pool: there is no pool 'ap' (did you mean 'app'?)",
        "23: pools.app.algoritm: unknown key (did you mean 'algorithm'?)",
        "27: pools.app.servers.b: 'weight' stands twice in this line",
    ]


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
def test_an_empty_file_is_told_as_such(text: str, tmp_path: Path) -> None:
    """A file without any key has one problem, not one for each section that it lacks."""
    assert problems_of(tmp_path, text) == ["the file is empty"]
