"""A change into the configuration file: ``--save``.

What lives here: the change of one server's line in a text, and the replacement of the file.
What must not: what the processes do; they are told to read the file again (``operator``).
Invariant: every other line stays as it is, byte for byte; the file is replaced as a whole, and only by one that has
been found to be good.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator

from deston.config.lines import Entry, read_entries
from deston.config.load import load
from deston.config.rust import is_rust_form
from deston.errors import ChangeRefused, ConfigError, StoreError

#: From a server's line to what it shall be; either is None where there is none.
Edit = Callable[[str | None], str | None]


@contextlib.contextmanager
def saved(file: str, pool: str, server: str, edit: Edit) -> Iterator[None]:
    """Change the line of a server in a file, for good if the processes can be told, which is done within.

    Raises ``ChangeRefused`` where that cannot be, and changes nothing then; nor where ``StoreError`` is raised within.
    """
    file = os.path.realpath(file)  # A link stays one.
    if is_rust_form(file):
        raise ChangeRefused(f"{file}: --save writes Deston's own form only")
    try:
        with open(file, encoding="utf-8", newline="") as stream:
            text = stream.read()
        _replace(file, edited(text, pool, server, edit))
        try:
            yield
        except StoreError:
            _replace(file, text)
            raise
    except OSError as error:
        raise ChangeRefused(f"{file}: it cannot be written: {error.strerror}") from error


def edited(text: str, pool: str, server: str, edit: Edit) -> str:
    """The text of a file with the line of a server changed; raises ``ChangeRefused`` where the pool has no place."""
    lines = text.splitlines(keepends=True)
    entries = list(read_entries([line.strip("\r\n\ufeff") for line in lines]))
    section = ("pools", pool, "servers")
    known = next((one for one in entries if one.path == (*section, server)), None)
    old = None if known is None else known.text.partition("=")[2].strip()
    new = edit(old)
    if known is not None:
        lines[known.first - 1 : known.last] = _changed(lines[known.first - 1], known, new)
    elif new is not None:
        after = _last_of(entries, section)
        if after is None:
            raise ChangeRefused(f"the pool {pool} has no [[[servers]]] in the file")
        lines.insert(after.last, _like(lines[after.last - 1], after, f"{server} = {new}"))
        if not lines[after.last - 1].endswith(("\n", "\r")):
            lines[after.last - 1] += "\r\n" if lines[0].endswith("\r\n") else "\n"
    return "".join(lines)


def _changed(line: str, entry: Entry, new: str | None) -> list[str]:
    """The line of an entry with another value; its indentation and its comment stay."""
    if new is None:
        return []
    body = line.rstrip("\r\n")
    indent = body[: len(body) - len(body.lstrip("\ufeff \t"))]
    comment = body[len(indent) + len(entry.text) :] if entry.first == entry.last else ""
    key = entry.text[: entry.text.index("=")].rstrip()
    return [f"{indent}{key} = {new}{' ' if comment.strip() else ''}{comment.strip()}{line[len(body) :]}"]


def _last_of(entries: list[Entry], section: tuple[str, ...]) -> Entry | None:
    """The last entry of a section, which is its header where it is empty."""
    found = [one for one in entries if one.path[: len(section)] == section]
    return found[-1] if found else None


def _like(line: str, entry: Entry, content: str) -> str:
    """A line that is indented, and ends, as the one before it."""
    body = line.rstrip("\r\n")
    indent = body[: len(body) - len(body.lstrip("\ufeff \t"))].lstrip("\ufeff")
    return f"{indent}{'    ' if entry.is_section else ''}{content}{line[len(body) :] or ''}"


def _replace(file: str, text: str) -> None:
    folder, kept = os.path.dirname(os.path.abspath(file)), os.stat(file)
    # In the same folder, because what a file names is relative to it, and of the same ending.
    descriptor, new = tempfile.mkstemp(suffix=os.path.splitext(file)[1], prefix=".deston-", dir=folder)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        load(new)
        os.chmod(new, kept.st_mode & 0o777)
        if os.geteuid() == 0:
            os.chown(new, kept.st_uid, kept.st_gid)
        os.replace(new, file)
    except ConfigError as error:
        why = error.problems[0].message
        raise ChangeRefused(f"{file} is left as it is, because it would not be good: {why}") from error
    finally:
        if os.path.exists(new):
            os.unlink(new)


def with_option(line: str, name: str, value: str) -> str:
    """A server's line with an option set; one that says the default is left out."""
    parts = [part.strip() for part in line.split(",")]
    kept = [part for part in parts if part.strip("\"'").partition("=")[0].strip() != name]
    if (name, value) not in (("state", "ready"), ("weight", "1")):
        kept.append(f"{name}={value}")
    return ", ".join(kept)
