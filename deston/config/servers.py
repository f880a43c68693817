"""The lines of ``[[[servers]]]``: ``name = address[, option=value …]``.

What lives here: taking such a line apart into a section with the key ``address`` and the options as keys.
What must not: what the options mean; the schema says it.
Invariant: afterwards a server is a section, or None if its line is wrong.
"""

from __future__ import annotations

from deston.config.report import Path, Report, Tree

FORM = "name = address, option=value"


def expand_servers(tree: Tree, report: Report) -> None:
    """Replace the server lines of every pool in ``tree`` by sections."""
    for pool_name, pool in _sections(tree.get("pools")):
        servers = pool.get("servers")
        if isinstance(servers, dict):
            path = ("pools", pool_name, "servers")
            pool["servers"] = {name: _expand(line, report, (*path, name)) for name, line in servers.items()}


def _sections(value: object) -> list[tuple[str, Tree]]:
    named = value.items() if isinstance(value, dict) else ()
    return [(name, section) for name, section in named if isinstance(section, dict)]


def _expand(line: str | list[str] | Tree | None, report: Report, path: Path) -> Tree | None:
    """The section for one line."""
    if line is None:
        return None
    if isinstance(line, dict):
        report.add(path, f"a server is one line: {FORM}")
        return None
    address, *options = [line] if isinstance(line, str) else line or [""]
    if " " in address:
        report.add(path, f"{address!r}: a comma goes between an address and its options")
        return None
    return _read_options({"address": address}, options, report, path)


def _read_options(section: Tree, options: list[str], report: Report, path: Path) -> Tree:
    for option in options:
        name, equals, value = (part.strip() for part in option.partition("="))
        if not equals:
            report.add(path, f"{option!r} is not of the form option=value")
        elif name in section:
            report.add(path, f"{name!r} stands twice in this line")
        else:
            section[name] = value
    return section
