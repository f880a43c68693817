from __future__ import annotations

import os
from pathlib import Path

import pytest

from deston.config.source import LARGEST_FILE, read_text
from deston.errors import ConfigError


def read_bytes(folder: Path, raw: bytes) -> str:
    file = folder / "x.conf"
    file.write_bytes(raw)
    return read_text(str(file))


@pytest.mark.parametrize("raw", [b"a\nb\n", b"a\r\nb\r\n", b"a\rb\r", b"\xef\xbb\xbfa\nb\n"])
def test_line_ends_and_marks_of_other_editors_are_taken(raw: bytes, tmp_path: Path) -> None:
    """Line ends of every system and a byte order mark make no difference."""
    assert read_bytes(tmp_path, raw) == "a\nb\n"


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"a = 1\nb = \xff\n", ":2: it is not UTF-8: byte 0xff"),
        ("a = é".encode("latin-1"), ":1: it is not UTF-8: byte 0xe9"),
        (b"a\nb\x00", ":2: there is a control character (0x00)"),
        ("a\u2028".encode(), ":1: there is a control character (0x2028)"),
        (b"a\x1b[0m", ":1: there is a control character (0x1b)"),
        (b"#" * (LARGEST_FILE + 1), f": it is larger than {LARGEST_FILE} bytes"),
    ],
)
def test_what_is_no_text_is_told_with_its_line(raw: bytes, problem: str, tmp_path: Path) -> None:
    """Bytes that are no text, or more of them than any configuration has, are a problem with its line."""
    with pytest.raises(ConfigError) as caught:
        read_bytes(tmp_path, raw)
    assert str(caught.value) == f"{tmp_path}/x.conf{problem}"


def missing(folder: Path) -> Path:
    return folder / "x.conf"


def directory(folder: Path) -> Path:
    return folder


def below_a_file(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file" / "x.conf"


def nameless(folder: Path) -> Path:
    return folder / "a\0b"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (missing, "there is no such file"),
        (directory, "this is a directory, not a file"),
        (below_a_file, "it cannot be read: Not a directory"),
        (nameless, "this is not a file name"),
    ],
)
def test_a_file_that_cannot_be_read_has_a_sentence(make: object, sentence: str, tmp_path: Path) -> None:
    """Whatever keeps a file from being read is told in a sentence behind its name."""
    assert callable(make)
    file = make(tmp_path)
    with pytest.raises(ConfigError) as caught:
        read_text(str(file))
    assert str(caught.value) == f"{file}: {sentence}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_has_a_sentence(tmp_path: Path) -> None:
    """A file that this user may not read is told as such."""
    file = tmp_path / "x.conf"
    file.touch(mode=0)
    with pytest.raises(ConfigError, match="permission to read it is denied"):
        read_text(str(file))
