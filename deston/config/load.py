"""From a file to a ``Config``.

What lives here: the order of the steps. Each has its module: source, syntax and servers (or rust), schema,
values, consistency, assemble.
What must not: any of the steps.
Invariant: ``load`` returns a ``Config`` that holds, or raises ``ConfigError`` with every problem of the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from deston.config.assemble import to_config
from deston.config.consistency import check_consistency
from deston.config.model import Config, Protocol
from deston.config.report import Report, Tree
from deston.config.rust import is_rust_form, leaves_layer_open, read_rust_form
from deston.config.schema import Schema, spec
from deston.config.servers import expand_servers
from deston.config.source import clean_text, read_text
from deston.config.syntax import read_tree
from deston.config.values import make_absolute


def load(path: str, command: Protocol | None = None) -> Config:
    """Read the configuration file at ``path``; one that ends in ``.toml`` is in the Rust form.

    ``command`` is the protocol of the listener where a file in the Rust form does not say it; without it, the
    listener's protocol is then None. Raises ``ConfigError`` with all problems.
    """
    text = read_text(path)
    if not is_rust_form(path):
        return _load_own_form(text, path, os.path.dirname(os.path.abspath(path)))
    report = Report(path)
    tree = read_rust_form(text, command, report)
    config = _checked(path, tree, report, os.path.dirname(os.path.abspath(path)))
    if command is None and leaves_layer_open(text):
        return replace(config, listeners=tuple(replace(one, protocol=None) for one in config.listeners))
    return config


def load_text(text: str, name: str) -> Config:
    """A configuration in Deston's own form that is in no file; ``name`` stands for it where problems are told.

    Raises ``ConfigError`` with all of them.
    """
    return _load_own_form(clean_text(text, name), name, os.getcwd())


def _load_own_form(text: str, name: str, folder: str) -> Config:
    report = Report(name)
    tree = read_tree(text, report)
    expand_servers(tree, report)
    return _checked(name, tree, report, folder)


def load_copy(copy: str, file: str) -> Config:
    """Read a copy of a file as if it were that file. Raises ``ConfigError``."""
    folder = os.path.dirname(os.path.abspath(file))
    text = read_text(copy)
    if not is_rust_form(file):
        return _load_own_form(text, file, folder)
    report = Report(file)
    return _checked(file, read_rust_form(text, None, report), report, folder)


class Origin(NamedTuple):
    """A value of the configuration: its keys, what it is, and its line in the file, 0 for a default."""

    path: tuple[str, ...]
    value: Any
    line: int


def origins(path: str) -> list[Origin]:
    """Every value of a file that is good, and where it comes from. Raises ``ConfigError``."""
    report = Report(path)
    text = read_text(path)
    tree = read_rust_form(text, Protocol.HTTP, report) if is_rust_form(path) else read_tree(text, report)
    if not is_rust_form(path):
        expand_servers(tree, report)
    values = make_absolute(Schema(spec()).check(tree, report), os.path.dirname(os.path.abspath(path)))
    report.raise_if_any()
    return list(_leaves(values, tree, (), report))


def _leaves(values: Tree, given: Tree, path: tuple[str, ...], report: Report) -> Iterator[Origin]:
    for name, value in values.items():
        here = (*path, name)
        known = given.get(name) if isinstance(given, dict) else None
        if isinstance(value, dict):
            yield from _leaves(value, known if isinstance(known, dict) else {}, here, report)
        else:
            is_given = isinstance(given, dict) and name in given
            yield Origin(here, value, _line_of(here, report) if is_given else 0)


def _line_of(path: tuple[str, ...], report: Report) -> int:
    """The line of a value, or that of what it stands in: a server's options are in the server's line."""
    written = report.written(path)
    return next((report.lines[written[:end]] for end in range(len(written), 0, -1) if written[:end] in report.lines), 1)


def load_tree(tree: Tree, name: str = "(in the program)") -> Config:
    """A configuration that a program has made itself: sections as dictionaries, values as texts and lists of texts.

    ``name`` stands for its file where problems are told. Raises ``ConfigError`` with all of them.
    """
    report = Report(name)
    expand_servers(tree, report)
    return _checked(name, tree, report, os.getcwd())


def _checked(name: str, tree: Tree, report: Report, folder: str) -> Config:
    values = make_absolute(Schema(spec()).check(tree, report), folder)
    check_consistency(values, tree, report)
    report.raise_if_any()
    return to_config(name, values)
