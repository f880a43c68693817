"""A configuration file as text.

What lives here: reading the file, and every way in which that can go wrong.
What must not: what the text means.
Invariant: a text that comes out is clean: UTF-8, lines that end in a line feed, no other control characters than tabs.
"""

from __future__ import annotations

import errno
import re

from deston.errors import ConfigError, Problem

#: No configuration is as large; a device or a log given by mistake is not read to its end.
LARGEST_FILE = 4 * 1024 * 1024

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")

_SENTENCES = {
    errno.ENOENT: "there is no such file",
    errno.EISDIR: "this is a directory, not a file",
    errno.EACCES: "permission to read it is denied",
}


def read_text(file: str) -> str:
    """Read a file.

    Raises ``ConfigError`` if it cannot be read or is no text.
    """
    return clean_text(_decode(file, _read(file)), file)


def clean_text(text: str, file: str) -> str:
    """A text with line feeds alone between its lines; raises ``ConfigError`` for other control characters."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    control = _CONTROL.search(text)
    if control:
        line = text.count("\n", 0, control.start()) + 1
        raise _error(file, f"there is a control character (0x{ord(control.group()):02x})", line)
    return text


def _read(file: str) -> bytes:
    try:
        with open(file, "rb") as stream:
            raw = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise _error(file, _SENTENCES.get(error.errno or 0, f"it cannot be read: {error.strerror}")) from error
    except ValueError as error:
        raise _error(file, "this is not a file name") from error
    if len(raw) > LARGEST_FILE:
        raise _error(file, f"it is larger than {LARGEST_FILE} bytes")
    return raw


def _decode(file: str, raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise _error(file, f"it is not UTF-8: byte 0x{error.object[error.start]:02x}", line) from error


def _error(file: str, message: str, line: int = 0) -> ConfigError:
    return ConfigError([Problem(file, line, "", message)])
