"""The documentation against the program: what it shows works, what it links exists, its words are the vocabulary's.

What lives here: the README and every page of docs/, read as text.
What must not: whether the prose is true; that is for readers.
Invariant: a page, snippet or link that is added is tested without a further line.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from deston.balancer.policies import base
from deston.config.load import load
from tests.builders import make_servers
from tests.shares import client_keys, count_picks, fits_weights

ROOT = Path(__file__).resolve().parents[2]
INDEX = ROOT / "docs" / "index.md"
PAGES = sorted((ROOT / "docs").rglob("*.md"))
TEXTS = [ROOT / "README.md", *PAGES]

# Written by `make docs`; it is looked things up in, not read.
GENERATED = ROOT / "docs" / "configuration.md"
# Three minutes, for a reader who looks at tables and snippets, too.
LONGEST_PAGE_WORDS = 800
SEED = 20260511

# A snippet that begins with this comment is a part of a file: sections of it, or the inside of a pool.
FRAGMENT = "# fragment"
LISTENERS = "[listeners]\n[[web]]\nbind = 127.0.0.1:8080\nprotocol = http\npool = app\n"
SERVERS = "[[[servers]]]\na = 127.0.0.1:3000\nb = 127.0.0.1:3001\n"

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]+`|^    .*$", re.MULTILINE)
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# Figures that a run of the benchmark put there; they are looked things up in, too.
_MEASURED = re.compile(r"<!-- Written by `make bench.*?<!-- to here -->", re.DOTALL)
_GOAL = re.compile(r"\bmake ([a-z]+)\b")

# Each is ruled out by the vocabulary, or has one meaning of several: design section 2.
FORBIDDEN = {
    "a group to some, one server to others": re.compile(r"\bback-?ends?\b", re.IGNORECASE),
    "an adjective of connections only": re.compile(r"\bupstreams?\b(?! connections?\b)", re.IGNORECASE),
    "servers are called servers": re.compile(r"\bnodes?\b", re.IGNORECASE),
    "pools of greenlets are slots, idle connections a cache": re.compile(r"\bconnection pools?\b", re.IGNORECASE),
    "checks are called checks": re.compile(r"\bhealth ?probes?\b", re.IGNORECASE),
}


class Snippet(NamedTuple):
    """A fenced block: its language, its text, and where it stands for the name of its test."""

    language: str
    text: str
    place: str


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def snippets(*languages: str) -> list[Snippet]:
    """All fenced blocks of these languages, in README and docs/."""
    return [one for path in TEXTS for one in _snippets(path) if one.language in languages]


def _snippets(path: Path) -> Iterator[Snippet]:
    text = read(path)
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        indent = re.compile(f"^{found[1]}", re.MULTILINE)
        yield Snippet(found[2], indent.sub("", found[3]), f"{name_of(path)}:{line}")


def place_of(snippet: Snippet) -> str:
    return snippet.place


def without_code(text: str) -> str:
    """The prose: what stands in code may be another program's word."""
    return _CODE.sub("", _FENCE.sub("", text))


def in_frame(text: str) -> str:
    """A whole file around a fragment, with as little added as a file needs."""
    if not re.search(r"^\[[a-z]+\]", text, re.MULTILINE):
        servers = "" if "[[[servers]]]" in text else SERVERS
        return f"{LISTENERS}[pools]\n[[app]]\n{text}\n{servers}"
    listeners = "" if "[listeners]" in text else LISTENERS
    named = re.findall(r"^ *(pool = [^#\n]+|mirror = [^,\n]+)", listeners + text, re.MULTILINE)
    pools = sorted({one.strip().partition("=")[0] for line in named for one in line.partition("= ")[2].split(",")})
    added = "" if "[pools]" in text else "[pools]\n" + "".join(f"[[{name}]]\n{SERVERS}" for name in pools)
    return f"{listeners}{text}\n{added}"


def anchors(path: Path) -> set[str]:
    """The headings of a page as links name them."""
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(read(path)))
    return {heading.replace(" ", "-") for heading in kept}


@pytest.mark.parametrize("snippet", snippets("ini"), ids=place_of)
def test_a_configuration_that_is_shown_is_good(snippet: Snippet, tmp_path: Path) -> None:
    """Whoever copies a configuration out of the documentation has one without problems."""
    is_fragment = snippet.text.startswith(FRAGMENT)
    file = tmp_path / "deston.conf"
    file.write_text(in_frame(snippet.text) if is_fragment else snippet.text, encoding="utf-8")
    assert load(str(file)).pools


@pytest.mark.parametrize("snippet", snippets("toml"), ids=place_of)
def test_a_file_in_the_rust_form_that_is_shown_is_good(snippet: Snippet, tmp_path: Path) -> None:
    """The same for the Rust form."""
    file = tmp_path / "config.toml"
    file.write_text(snippet.text, encoding="utf-8")
    assert load(str(file)).pools


def test_the_rust_form_and_its_translation_are_one(tmp_path: Path) -> None:
    """The page on the Rust form shows the same configuration in both forms."""
    page = [one for one in snippets("toml", "ini") if "rust-form" in one.place]
    texts = {one.language: one.text for one in page}
    both = []
    for language, name in (("toml", "config.toml"), ("ini", "deston.conf")):
        file = tmp_path / name
        file.write_text(texts[language], encoding="utf-8")
        config = load(str(file))
        both.append((config.listeners, config.pools, config.routes))
    assert both[0] == both[1]


@pytest.mark.parametrize("snippet", snippets("python"), ids=place_of)
def test_python_that_is_shown_is_python(snippet: Snippet) -> None:
    """Code in the documentation has no mistake that the compiler sees."""
    ast.parse(snippet.text)


def test_the_policy_that_is_shown_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of a policy registers itself, shares by weight, and prefers the server that answers sooner."""
    monkeypatch.setattr(base, "_factories", dict(base._factories))
    [example] = [one for one in snippets("python") if '@policy("quicker")' in one.text]
    exec(compile(example.text, example.place, "exec"), {"__name__": "quicker"})
    quicker = base.create_policy("quicker", rng=random.Random(SEED))
    servers = make_servers(3, 1)
    assert fits_weights(count_picks(lambda key: quicker.pick(servers, key), client_keys(2000)), servers)
    slow, quick = make_servers(1, 1)
    slow.latency, quick.latency = 0.5, 0.1
    counts = count_picks(lambda key: quicker.pick((slow, quick), key), client_keys(2000))
    assert counts[quick.name] > 2 * counts[slow.name]


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    """A link within the repository names a file that is there, and a heading that the file has."""
    links = [link for link in _LINK.findall(_FENCE.sub("", read(path))) if "://" not in link]
    dead = []
    for link in links:
        target, _, anchor = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        if not file.exists() or (anchor and anchor not in anchors(file)):
            dead.append(link)
    assert dead == []


def test_every_page_is_found_from_the_index() -> None:
    """No page of docs/ is left that docs/index.md does not link."""
    linked = {(INDEX.parent / link.partition("#")[0]).resolve() for link in _LINK.findall(read(INDEX))}
    assert [name_of(page) for page in PAGES if page != INDEX and page not in linked] == []


@pytest.mark.parametrize("path", [page for page in PAGES if page != GENERATED], ids=name_of)
def test_a_page_is_read_in_three_minutes(path: Path) -> None:
    """A page that grows too long is split, so that the next one finds its place."""
    assert len(_MEASURED.sub("", read(path)).split()) <= LONGEST_PAGE_WORDS


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
@pytest.mark.parametrize("why", FORBIDDEN)
def test_the_prose_keeps_to_the_vocabulary(path: Path, why: str) -> None:
    """A word that the vocabulary rules out stands in code only, where it is another program's."""
    assert FORBIDDEN[why].findall(without_code(read(path))) == []


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_the_goals_of_make_exist(path: Path) -> None:
    """Each `make` goal that a page names is one of the Makefile's."""
    code = "\n".join([*(one.text for one in _snippets(path)), *_CODE.findall(read(path))])
    goals = set(re.findall(r"^([a-z]+):", read(ROOT / "Makefile"), re.MULTILINE))
    assert set(_GOAL.findall(code)) - goals == set()


@pytest.mark.parametrize(
    ("fragment", "pools"),
    [
        ("retries = 1", {"app"}),
        ("[[[health]]]\ntype = none", {"app"}),
        ("[[[servers]]]\nz = 127.0.0.1:9", {"app"}),
        ("[routes]\n[[api]]\npath = /v1/\npool = api", {"app", "api"}),
        ("[listeners]\n[[db]]\nbind = 127.0.0.1:9\nprotocol = tcp\npool = pg", {"pg"}),
    ],
)
def test_a_fragment_gets_what_it_lacks(fragment: str, pools: set[str], tmp_path: Path) -> None:
    """The frame of a fragment makes it a whole file, and changes nothing in it."""
    file = tmp_path / "deston.conf"
    file.write_text(in_frame(f"{FRAGMENT}\n{fragment}"), encoding="utf-8")
    assert {pool.name for pool in load(str(file)).pools} == pools
