"""The bytes that a terminal sends for keys.

What lives here: bytes to names of keys: ``up``, ``page down``, ``enter``, or the character itself.
What must not: reading them (``screen``), what they mean (``choices``).
Invariant: no byte is taken twice, and a sequence that is not known is no key.
"""

from __future__ import annotations

import codecs
import re

_ESCAPE = "\x1b"
# After the escape: [ or O, parameters, and the byte that ends it.
_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;?]*[@-~]|O[ -~])")
_OPEN_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;?]*|O)?$")
_NAMES = {
    "A": "up", "B": "down", "H": "home", "F": "end",
    "1~": "home", "7~": "home", "4~": "end", "8~": "end", "5~": "page up", "6~": "page down",
}  # fmt: skip
_CONTROLS = {"\r": "enter", "\n": "enter", "\x7f": "backspace", "\b": "backspace", "\x15": "clear", _ESCAPE: "escape"}


class Keys:
    """Decodes what arrives in pieces."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""

    @property
    def is_open(self) -> bool:
        """Whether more bytes may belong to what has arrived: an escape is a key, or begins a sequence."""
        return bool(self._text)

    def feed(self, data: bytes) -> list[str]:
        """The keys that are complete with ``data``."""
        self._text += self._decoder.decode(data)
        return self._take(_OPEN_SEQUENCE)

    def flush(self) -> list[str]:
        """The keys that remain when nothing more comes."""
        return self._take(None)

    def _take(self, waits_for: re.Pattern[str] | None) -> list[str]:
        found = []
        while self._text:
            if waits_for is not None and waits_for.match(self._text):
                break
            sequence = _SEQUENCE.match(self._text)
            length = sequence.end() if sequence else 1
            text, self._text = self._text[:length], self._text[length:]
            key = _NAMES.get(text[2:], "") if sequence else _CONTROLS.get(text, text if text.isprintable() else "")
            if key:
                found.append(key)
        return found
