"""Writes docs/configuration.md, the reference of every key, from the schema.

What lives here: the layout of that page, and the words for types and ranges.
What must not: the meaning of keys; it stands in deston/config/spec.ini, above each of them.
Invariant: the page is a function of the schema, so that a test can say whether the committed one is current.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from configobj import ConfigObj, Section

from deston.config.rust import SPEC
from deston.config.schema import MANY, read_spec, spec

PAGE = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"

INTRODUCTION = """\
# Configuration

<!-- Written by `make docs` from deston/config/spec.ini: change it there. -->

A configuration is one file. `deston check FILE` prints every problem of it, each with its line, and exits with status
2 if there is one. The file is the one that a command is given (`--config`), else `$DESTON_CONFIG`, else
`conf/deston.conf`, `deston.conf` or `/etc/deston/deston.conf`, the first that exists.

## How it is written

- `[section]`, `[[section in a section]]` and so on; `key = value`; `#` begins a comment. The text is UTF-8.
- A list has commas: `host = a.example.com, b.example.com`. A value that holds a comma or a `#` stands in quotes.
- Durations are numbers with a unit: `500ms`, `2s`, `1.5m`, `1h`. At least 1ms where nothing else
  is said, and at most 1000h.
- Sizes are bytes, or numbers with a unit: `64k`, `10m`, `1g`, in powers of 1024.
- Yes and no may also be written `true` and `false`, `on` and `off`, `1` and `0`.
- Names of listeners, routes, pools and servers are made of letters, digits, `_`, `.` and `-`.
- Files, folders and unix sockets are relative to the folder of the configuration.
- Keys that are not listed here are errors.

The smallest file that works:

    [listeners]
        [[web]]
        bind = 127.0.0.1:8080
        protocol = http
        pool = app
    [pools]
        [[app]]
            [[[servers]]]
            a = 127.0.0.1:3000
            b = 127.0.0.1:3001
"""

RUST_FORM = """\
# The Rust form

A file whose name ends in `.toml` is read as a `config.toml` of the Rust load balancer that Deston succeeds. It has one
listener and one pool, and its servers are checked by tcp every 2s. What it has no key for is as in Deston's own form.
"""

TYPES = {
    "algorithm": "name of a policy",
    "check_type": "`tcp`, `http`, `udp` or `none`",
    "duration": "duration",
    "file": "path",
    "files": "list of paths",
    "forwarded": "list",
    "retry_on": "list",
    "host": "host",
    "host_header": "host",
    "hosts": "list of hosts",
    "layer": "`L4` or `L7`",
    "listen_address": "address",
    "log_format": "`text` or `json`",
    "log_target": "`off`, `stdout`, `syslog` or a path",
    "method": "method",
    "names": "list of names",
    "networks": "list of networks",
    "on_down": "`keep` or `close`",
    "path": "path of a URL",
    "pattern": "regular expression",
    "payload": "bytes",
    "protocol": "`http`, `tcp` or `udp`",
    "request_path": "path of a URL",
    "responses": "whole number or `any`",
    "send_proxy_protocol": "`off`, `v1` or `v2`",
    "server_address": "address",
    "size": "size",
    "source_address": "address without a port",
    "state": "`ready`, `drain` or `maint`",
    "statuses": "list of statuses",
    "store": "`memory`, `sqlite` or an URL",
    "text": "text",
    "tls_mode": "`off`, `terminate` or `passthrough`",
    "tls_version": "`1.2` or `1.3`",
    "whole": "whole number",
    "words": "list of words",
    "yes_no": "`yes` or `no`",
}


def render() -> str:
    """The whole page."""
    own_form, rust_form = ("\n".join(_sections(one, ())) for one in (spec(), read_spec(SPEC)))
    # Read as numbered sections, but written as TOML's tables of an array.
    rust_form = rust_form.replace("`[server]` `[[name]]`", "`[[server]]`")
    return "\n".join([INTRODUCTION, own_form, RUST_FORM, rust_form])


def _sections(section: Section, path: tuple[str, ...], around: str = "") -> Iterator[str]:
    """A heading, the explanation and the table of keys of each section, outer ones first.

    A section without keys of its own only explains those in it; ``around`` is that explanation.
    """
    for name in section.sections:
        inner = section[name]
        place = (*path, _header(name, len(path) + 1))
        comment = f"{around} {_comment(section, name)}".strip()
        if inner.scalars:
            yield f"## {' '.join(place)}\n\n{comment}\n"
            yield _table(inner)
        yield from _sections(inner, place, "" if inner.scalars else comment)


def _header(name: str, depth: int) -> str:
    if depth == 4:
        return "`name = address, option=value`"
    return f"`{'[' * depth}{'name' if name == MANY else name}{']' * depth}`"


def _table(section: Section) -> str:
    rows = [
        f"| `{key}` | {_type(section[key])} | {_default(section[key])} | {_comment(section, key)} |"
        for key in section.scalars
    ]
    return "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows, ""])


def _comment(section: Section, name: str) -> str:
    """The comment above a key; above the first of a file, it is the last paragraph of the comment that opens it."""
    lines = section.comments[name]
    if isinstance(section, ConfigObj) and name == section.sections[0]:
        lines = "\n".join(section.initial_comment).rsplit("\n\n", 1)[-1].split("\n")
    return " ".join(line.strip().lstrip("# ") for line in lines if line.strip())


def _type(check: str) -> str:
    arguments = dict(re.findall(r"(min|max)=(\w+)", check))
    words = TYPES[re.split(r"\(", check)[0]]
    if "min" in arguments and "max" in arguments:
        return f"{words}, {arguments['min']} to {arguments['max']}"
    return f"{words}, from {arguments['min']}" if "min" in arguments else words


def _default(check: str) -> str:
    found = re.search(r"default=(?:list\((.*)\)|(.*))\)$", check)
    if not found:
        return "required"
    value = (found[1] or found[2] or "").strip('"')
    return "" if value in ("", "None") else f"`{value}`"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
