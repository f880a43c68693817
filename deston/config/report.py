"""The problems of one file, collected while it is read.

What lives here: the collector, the way from a path to its line, and the suggestion of a nearby name.
What must not: any rule of what is a problem.
Invariant: a value that has a problem is None in every tree from then on, and nobody reports it a second time.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from deston.errors import ConfigError, Problem

#: Where a value stands: the names of its sections, and its own.
Path = tuple[str, ...]

#: A section as read: values (texts, lists of texts) and sections by name.
Tree = dict[str, Any]

#: A rule over the values of a file, and over its tree without defaults.
Rule = Callable[[Tree, Tree, "Report"], None]

#: Names longer than this are not compared with others: nobody typed them.
LONGEST_NAME = 80


class Report:
    """Collects problems.

    ``lines`` says where paths stand; ``written`` turns a path into the one that stands in the file, for a form of
    file that is translated first.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.lines: Mapping[Path, int] = {}
        self.written: Callable[[Path], Path] = lambda path: path

    def add(self, path: Path, message: str, line: int | None = None) -> None:
        """Note a problem. Without ``line``, it is that of the path, or of the section that it is missing from."""
        path = self.written(path)
        self.problems.append(Problem(self.file, self._line(path) if line is None else line, ".".join(path), message))

    def line(self, path: Path) -> int:
        """The line of a path, or of the nearest section around it; 0 if there is none."""
        return self._line(self.written(path))

    def error(self) -> ConfigError:
        """All problems, to be raised."""
        return ConfigError(self.problems)

    def raise_if_any(self) -> None:
        """Raise ``ConfigError`` with all problems, if there are any."""
        if self.problems:
            raise self.error()

    def _line(self, path: Path) -> int:
        around = (path[:length] for length in range(len(path), 0, -1))
        return next((self.lines[one] for one in around if one in self.lines), 0)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A suggestion in brackets, with a space before it, or an empty text if nothing known is near."""
    if len(name) > LONGEST_NAME:
        return ""
    by_lower_case = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name.lower(), by_lower_case, n=1)
    return f" (did you mean {by_lower_case[near[0]]!r}?)" if near else ""
