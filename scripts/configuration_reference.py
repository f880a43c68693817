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

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "configuration.md"
# It has each key once, and a test loads it: the examples of the page are its lines.
EXAMPLES = ROOT / "tests" / "data" / "config" / "full.conf"
RUST_EXAMPLES = ROOT / "tests" / "data" / "config" / "rust.toml"

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
    "bad_statuses": "list of statuses, or `off`",
    "duration": "duration",
    "file": "path",
    "files": "list of paths",
    "forwarded": "list",
    "retry_on": "list",
    "host": "host",
    "host_header": "host",
    "hosts": "list of hosts",
    "error_pages": "list of `status=path`",
    "field_name": "name, or `off`",
    "field_names": "list of names",
    "header_conditions": "list of `Name`, `Name: value` or `Name: ~expression`",
    "header_values": "list of `Name: value`",
    "response_header_values": "list of `Name: value`",
    "layer": "`L4` or `L7`",
    "listen_address": "address",
    "line_format": "`text` or `json`",
    "log_level": "`debug`, `info`, `warning`, `error` or `critical`",
    "log_format": "`text`, `json`, `combined` or a line",
    "log_target": "`off`, `stdout`, `syslog` or a path",
    "map_back": "list",
    "method": "method",
    "methods": "list of methods",
    "mirror": "name of a pool, with options",
    "names": "list of names",
    "nameservers": "list of addresses",
    "networks": "list of networks",
    "on_leaving": "`keep`, `drain` or `close`",
    "path": "path of a URL",
    "pattern": "regular expression",
    "payload": "bytes",
    "pools": "names of pools, with weights",
    "query_conditions": "list of `name`, `name=value` or `name=~expression`",
    "rate_limit": "rate, with options",
    "redirect": "options",
    "respond": "status, with options",
    "same_site": "`lax`, `strict` or `none`",
    "underscore_headers": "`drop`, `refuse` or `keep`",
    "word": "word",
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


# Servers are lines, and their keys options of these.
_OPTION_DEPTH = 4


def render() -> str:
    """The whole page."""
    own_form = "\n".join(_sections(spec(), (), EXAMPLES.read_text(encoding="utf-8")))
    rust_form = "\n".join(_sections(read_spec(SPEC), (), RUST_EXAMPLES.read_text(encoding="utf-8")))
    # Read as numbered sections, but written as TOML's tables of an array.
    rust_form = rust_form.replace("`[server]` `[[name]]`", "`[[server]]`")
    return "\n".join([INTRODUCTION, own_form, RUST_FORM, rust_form])


def _sections(section: Section, path: tuple[str, ...], examples: str, around: str = "") -> Iterator[str]:
    """A heading, the explanation and the table of keys of each section, outer ones first.

    A section without keys of its own only explains those in it; ``around`` is that explanation. ``examples`` is a file
    that has every key.
    """
    for name in section.sections:
        inner = section[name]
        place = (*path, _header(name, len(path) + 1))
        comment = f"{around} {_comment(section, name)}".strip()
        if inner.scalars:
            yield f"## {' '.join(place)}\n\n{comment}\n"
            yield _table(inner, examples)
        yield from _sections(inner, place, examples, "" if inner.scalars else comment)


def _header(name: str, depth: int) -> str:
    if depth == 4:
        return "`name = address, option=value`"
    return f"`{'[' * depth}{'name' if name == MANY else name}{']' * depth}`"


def _table(section: Section, examples: str) -> str:
    rows = [
        f"| `{key}` | {_type(section[key])} | {_default(section[key])} | {_comment(section, key)} "
        f"| {_example(section, key, examples)} |"
        for key in section.scalars
    ]
    return "\n".join(["| key | type | default | meaning | example |", "|---|---|---|---|---|", *rows, ""])


def _example(section: Section, key: str, examples: str) -> str:
    """A line, or an option of one, that sets the key to something; of another section's key of the name, too."""
    if section.depth == _OPTION_DEPTH:
        found = re.search(rf"\b{key}=([^,\n]+)|= (\S+)$", examples, re.MULTILINE)
        return f"`{found[0]}`" if found and key != "address" else "`a = 127.0.0.1:3000`"
    part = _part(section, examples)
    found = re.search(rf"^ *({key} = .*)$", part, re.MULTILINE) or re.search(
        rf"^ *({key} = .*)$", examples, re.MULTILINE
    )
    return f"`{found[1]}`" if found else ""


def _part(section: Section, examples: str) -> str:
    """What the file says of one kind of section."""
    names = []
    while section.name is not None and section.depth:
        names.append(section.name)
        section = section.parent
    top = re.search(rf"^\[{names[-1]}\]$(.*?)(?=^\[[a-z]+\]$|\Z)", examples, re.MULTILINE | re.DOTALL)
    part = top[1] if top else ""
    if names[0] in ("health", "servers"):
        inner = re.search(rf"^ *\[\[\[{names[0]}\]\]\]$(.*)", part, re.MULTILINE | re.DOTALL)
        return inner[1] if inner else ""
    return part


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
