"""Connections that do more than say their lines in order.

What lives here: scripted streams whose next line waits for what they are sent.
What must not: assertions.
Invariant: where a socket would wait for ever, a read raises ``ReadTimeout``: a standstill is seen at once.
"""

from __future__ import annotations

from deston.errors import ReadTimeout
from deston.net.fake import FakeStream


class AnswersInTurn(FakeStream):
    """Says each piece once so many bytes were sent to it, or once ``ending`` was."""

    def __init__(self, *turns: tuple[int | bytes, bytes]) -> None:
        super().__init__(piece for _, piece in turns)
        self._cues = [cue for cue, piece in turns if piece]

    def read(self, limit: int) -> bytes:
        if self._cues and not self._is_due():
            raise ReadTimeout("nothing moves any more")
        before = len(self._script)
        data = super().read(limit)
        if self._cues and len(self._script) < before:
            self._cues.pop(0)
        return data

    def has_input(self) -> bool:
        return bool(self._cues) and self._is_due()

    def _is_due(self) -> bool:
        cue = self._cues[0]
        return self.written.endswith(cue) if isinstance(cue, bytes) else len(self.written) >= cue
