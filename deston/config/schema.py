"""A tree of texts against the schema.

What lives here: the walk over a file and its configspec side by side, and what is said of keys that are unknown,
missing, or sections where values belong.
What must not: the types (``checks.py``), and rules that span keys (``consistency.py``).
Invariant: the tree that comes out has every key of the schema; one that has a problem is None.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

from configobj import ConfigObj
from configobj.validate import ValidateError, Validator, VdtMissingValue

from deston.config.checks import CHECKS
from deston.config.report import Path, Report, Tree, did_you_mean

#: What stands in a configspec for sections and keys whose names are free.
MANY = "__many__"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def read_spec(text: str) -> ConfigObj:
    """A configspec from its text; it is a mapping of names to checks and sections."""
    return ConfigObj(text.split("\n"), interpolation=False, list_values=False, raise_errors=True, _inspec=True)


def spec() -> ConfigObj:
    """The schema of Deston's own form."""
    return read_spec(resources.files("deston.config").joinpath("spec.ini").read_text(encoding="utf-8"))


class Schema:
    """A configspec that trees are checked against."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.spec = spec
        self.validator = Validator(CHECKS)

    def check(self, tree: Tree, report: Report) -> Tree:
        """The values of a tree of texts, with defaults for what it leaves out. Problems go to ``report``."""
        return self._check_section(tree, self.spec, report, ())

    def _check_section(self, given: Tree, spec: Mapping[str, Any], report: Report, path: Path) -> Tree:
        known = [name for name in spec if name != MANY]
        values = {}
        for name in dict.fromkeys([*known, *given]):
            wanted = spec[name] if name in known else spec.get(MANY)
            if wanted is None:
                _report_unknown(name, given[name], known, report, path)
                continue
            if name not in known and not _NAME.fullmatch(name):
                report.add((*path, name), "a name is made of letters, digits, '_', '.' and '-'")
            values[name] = self._check_entry(name, given, wanted, report, path)
        return values

    def _check_entry(self, name: str, given: Tree, wanted: Any, report: Report, path: Path) -> Any:
        path = (*path, name)
        value = given.get(name, {} if isinstance(wanted, Mapping) else None)
        if value is None and name in given:
            return None
        if not isinstance(wanted, Mapping):
            return self._check_value(value, wanted, report, path)
        if not isinstance(value, dict):
            header = "[" * len(path) + name + "]" * len(path)
            report.add(path, f"this is a section, not a value: write {header}")
            return None
        return self._check_section(value, wanted, report, path)

    def _check_value(self, value: Any, check: str, report: Report, path: Path) -> Any:
        """A value by its check, which stands in for a missing one (None) with its default."""
        if isinstance(value, dict):
            report.add(path, f"this is a value, not a section: write {path[-1]} = …")
            return None
        try:
            return self.validator.check(check, value, missing=value is None)
        except VdtMissingValue:
            report.add(path, "this key is required, and missing")
        except ValidateError as error:
            report.add(path, str(error))
        return None


def _report_unknown(name: str, value: object, known: Iterable[str], report: Report, path: Path) -> None:
    what = "section" if isinstance(value, dict) else "key"
    report.add((*path, name), f"unknown {what}{did_you_mean(name, known)}")
