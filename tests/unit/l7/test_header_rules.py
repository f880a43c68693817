"""Fields that are set, added and removed, and the values of templates."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deston.config.http_rules import HeaderRules
from deston.config.templates import LOG_NAMES, RESPONSE_NAMES, Template, unknown_names
from deston.l7.fields import Field, Fields
from deston.l7.header_rules import FieldRules, Values
from tests.unit.l7.builders import make_request

FIELDS: list[Field] = [(b"A", b"1"), (b"B", b"2"), (b"a", b"3")]


def apply(rules: FieldRules, fields: list[Field]) -> list[Field]:
    return rules.apply(fields, lambda name: f"<{name}>")


def test_set_add_and_remove() -> None:
    """To set is to take the place of all of the name; to add leaves them; the rest keeps its order and case."""
    assert apply(FieldRules(HeaderRules(set=(("A", "x"),))), FIELDS) == [(b"B", b"2"), (b"A", b"x")]
    assert apply(FieldRules(HeaderRules(add=(("A", "x"),))), FIELDS) == [*FIELDS, (b"A", b"x")]
    assert apply(FieldRules(HeaderRules(remove=("a",))), FIELDS) == [(b"B", b"2")]
    both = FieldRules(HeaderRules(set=(("B", "%(status)s"),), add=(("C", "c"),), remove=("A",)))
    assert apply(both, FIELDS) == [(b"B", b"<status>"), (b"C", b"c")]


def test_a_route_comes_after_its_listener() -> None:
    rules = FieldRules(HeaderRules(set=(("X", "listener"), ("Y", "y"))), HeaderRules(set=(("X", "route"),)))
    assert apply(rules, []) == [(b"Y", b"y"), (b"X", b"route")]
    assert not FieldRules(HeaderRules(), HeaderRules())


def test_what_repeats_is_found_once() -> None:
    """A head that comes again gets the same list; with a template it gets a new one."""
    shared = Fields(FIELDS)
    static = FieldRules(HeaderRules(add=(("X", "x"),)))
    assert static.apply(shared, str) is static.apply(shared, str)
    assert shared == FIELDS
    moving = FieldRules(HeaderRules(add=(("X", "%(status)s"),)))
    assert moving.apply(shared, str) is not moving.apply(shared, str)


names = st.sampled_from(["A", "b", "X-Y"])
fields = st.lists(st.tuples(names.map(str.encode), st.sampled_from([b"1", b"2"])), max_size=6)
pairs = st.lists(st.tuples(names, st.sampled_from(["x", "y"])), max_size=3).map(tuple)


@given(fields, pairs, pairs, st.lists(names, max_size=2).map(tuple))
def test_rules_keep_what_they_do_not_name(
    given_fields: list[Field],
    set_: tuple[tuple[str, str], ...],
    add: tuple[tuple[str, str], ...],
    remove: tuple[str, ...],
) -> None:
    """Every field that no rule names is there afterwards, in its order; each rule has done what it says."""
    after = apply(FieldRules(HeaderRules(set_, add, remove)), given_fields)
    named = {name.lower() for name in (*remove, *(name for name, _ in set_))}
    kept = [field for field in given_fields if field[0].decode().lower() not in named]
    assert after[: len(kept)] == kept
    assert after[len(kept) :] == [(name.encode(), value.encode()) for name, value in (*set_, *add)]


def test_every_value_has_a_name() -> None:
    """Each name that a file may use is known for a request, whatever is known of it."""
    request = make_request((b"User-Agent", b"curl"), (b"Cookie", b"a=1; b=2"), target=b"/p/q?x=1")
    values = Values(request, b"example.com", "10.0.0.1")
    values.pool, values.status = "app", "200"
    found = {name: values(name) for name in RESPONSE_NAMES}
    assert found == {
        "client_address": "10.0.0.1", "host": "example.com", "listener": "web", "method": "GET", "path": "/p/q",
        "peer_address": "192.0.2.1", "query": "x=1", "request_id": "", "route": "", "scheme": "http",
        "target": "/p/q?x=1", "tls_version": "", "pool": "app", "server": "", "status": "200",
    }  # fmt: skip
    assert values("header:user-agent") == "curl"
    assert values("header:missing") == values("cookie:c") == ""
    assert values("cookie:b") == "2"


def test_what_is_no_name_stays() -> None:
    """An escape of a path is none of a template."""
    assert Template("/a%20b/%(path)s%").fill(lambda name: "X") == "/a%20b/X%"
    assert unknown_names("%(status)s %(header:X)s %(nothing)s %()s", LOG_NAMES) == ["nothing", ""]
