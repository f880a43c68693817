"""The certificates of a listener: which one a client gets, and what becomes of changed files."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from deston.config.model import TlsMode
from deston.errors import StartError
from deston.net.termination import Termination
from tests.builders import make_listener_tls
from tests.tls_peers import Certificate, make_certificate


def termination(*certificates: Certificate, **changes: Any) -> Termination:
    files: dict[str, Any] = {
        "certificates": tuple(str(one.certificate) for one in certificates),
        "keys": tuple(str(one.key) for one in certificates),
    }
    return Termination(make_listener_tls(TlsMode.TERMINATE, **{**files, **changes}))


def replace(old: Path, new: Path) -> None:
    """Put a file in the place of another one at once, as every careful renewal does."""
    shutil.copy(new, f"{new}.copy")
    os.replace(f"{new}.copy", old)


@pytest.mark.parametrize(
    ("asked", "given"),
    [("a.test", 0), ("b.test", 1), ("x.c.test", 2), ("x.y.c.test", 0), ("c.test", 0), ("", 0), ("other.test", 0)],
)
def test_the_name_decides(tmp_path: Path, asked: str, given: int) -> None:
    """A name of its own, then a wildcard of one label (RFC 6125 section 6.4.3), then the first certificate."""
    made = [make_certificate(tmp_path, name) for name in ("a.test", "b.test", "*.c.test")]
    shown = termination(*made)
    contexts = [shown.context_for(name) for name in ("a.test", "b.test", "any.c.test")]
    assert len(set(map(id, contexts))) == 3
    assert shown.context_for(asked) is contexts[given]


def test_a_changed_certificate_is_taken_up(tmp_path: Path) -> None:
    """A handshake after the change gets the new one; without a change nothing is read again."""
    old, new = make_certificate(tmp_path, "a.test"), make_certificate(tmp_path, "b.test")
    shown = termination(old)
    before = shown.context_for("b.test")
    shown.refresh()
    assert shown.context_for("b.test") is before
    replace(old.certificate, new.certificate)
    replace(old.key, new.key)
    shown.refresh()
    assert shown.context_for("b.test") is not before


@pytest.mark.parametrize("left", ["", "-----BEGIN", None])
def test_a_broken_change_changes_nothing(tmp_path: Path, left: str | None, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is empty, half written or gone is told of once, and the old certificate goes on."""
    made = make_certificate(tmp_path, "a.test")
    shown = termination(made)
    before = shown.context_for("a.test")
    if left is None:
        made.certificate.unlink()
    else:
        made.certificate.write_text(left)
    with caplog.at_level(logging.ERROR, "deston.tls"):
        shown.refresh()
        shown.refresh()
    assert shown.context_for("a.test") is before
    assert len(caplog.records) == 1
    assert "the old ones stay" in caplog.text


def test_what_cannot_be_used_is_told(tmp_path: Path) -> None:
    """A missing file, a file that is none, and a key of another certificate each have a sentence."""
    one, other = make_certificate(tmp_path, "a.test"), make_certificate(tmp_path, "b.test")
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    with pytest.raises(StartError, match="cannot be read: No such file"):
        termination(one, certificates=(str(tmp_path / "missing.pem"),))
    with pytest.raises(StartError, match=r"text\.pem.*not a certificate"):
        termination(one, certificates=(str(text),))
    with pytest.raises(StartError, match="not a certificate or key that can be used"):
        termination(one, keys=(str(other.key),))
    with pytest.raises(StartError, match=r"text\.pem"):
        termination(one, client_ca=str(text))


def test_a_key_may_stand_beside_its_certificate(tmp_path: Path) -> None:
    """Without keys of their own, the certificates' files have them."""
    made = make_certificate(tmp_path, "a.test")
    both = tmp_path / "both.pem"
    both.write_text(made.certificate.read_text() + made.key.read_text())
    assert termination(made, certificates=(str(both),), keys=()).context_for("a.test")
