from __future__ import annotations

from typing import Any

import pytest

from deston.address import Address
from deston.admin.api.guard import Guard, Role
from deston.config.model import AdminConfig
from deston.errors import AdminRefusal

LOCAL = {"HTTP_HOST": "127.0.0.1:9900", "REMOTE_ADDR": "127.0.0.1"}


def make_guard(token: str = "", read_token: str = "", host: str = "127.0.0.1") -> Guard:
    return Guard(AdminConfig(Address(host, 9900), token, read_token))


def refusal(guard: Guard, role: Role = Role.READ, changes: bool = False, **environ: Any) -> int:
    """The status of a refusal, 0 for none."""
    whole = {**LOCAL, **environ}
    try:
        guard.require_own_name(whole)
        guard.judge(whole, role, changes)
    except AdminRefusal as error:
        return error.status
    return 0


@pytest.mark.parametrize(
    ("shown", "role", "status"),
    [
        ("Bearer write", Role.WRITE, 0),
        ("bearer  write ", Role.WRITE, 0),
        ("Bearer write", Role.READ, 0),
        ("Bearer read", Role.READ, 0),
        ("Bearer read", Role.WRITE, 403),
        ("Bearer wrong", Role.READ, 401),
        ("Bearer ", Role.READ, 401),
        ("Basic write", Role.READ, 401),
        ("", Role.READ, 401),
        ("", Role.NOBODY, 0),
    ],
)
def test_a_token_has_a_role(shown: str, role: Role, status: int) -> None:
    """The read token reads, the other one does everything, and nothing goes without one."""
    assert refusal(make_guard("write", "read"), role, HTTP_AUTHORIZATION=shown) == status


def test_an_unset_read_token_is_nobodys() -> None:
    """Where only one token is set, an empty one lets nobody in."""
    assert refusal(make_guard("write"), HTTP_AUTHORIZATION="Bearer ") == 401


def test_a_token_may_have_any_letters() -> None:
    """Field values come as bytes, which WSGI shows as Latin-1."""
    shown = "Bearer schlüssel".encode().decode("latin-1")
    assert refusal(make_guard("schlüssel"), HTTP_AUTHORIZATION=shown) == 0


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:9900", 0),
        ("localhost", 0),
        ("[::1]:9900", 0),
        ("evil.example", 403),
        ("127.0.0.1.evil.example:9900", 403),
        ("localhost.evil.example", 403),
        ("", 403),
        ("a b", 403),
    ],
)
def test_without_a_token_only_this_machines_names_are_served(host: str, status: int) -> None:
    """A page whose name was made to lead here still shows its own name."""
    assert refusal(make_guard(), HTTP_HOST=host) == status


def test_with_a_token_any_name_will_do() -> None:
    """A page elsewhere does not have the token."""
    assert refusal(make_guard("write"), HTTP_HOST="lb.example", HTTP_AUTHORIZATION="Bearer write") == 0


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({"REMOTE_ADDR": "10.0.0.9"}, 403),
        ({"REMOTE_ADDR": ""}, 0),
        ({"REMOTE_ADDR": "::1"}, 0),
        ({"HTTP_X_FORWARDED_FOR": "10.0.0.9"}, 403),
        ({"HTTP_FORWARDED": "for=10.0.0.9"}, 403),
    ],
)
def test_without_a_token_only_this_machine_is_served(environ: dict[str, Any], status: int) -> None:
    """Under any WSGI server, and behind a proxy that says so."""
    assert refusal(make_guard(), **environ) == status


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({"HTTP_ORIGIN": "http://127.0.0.1:9900", "HTTP_SEC_FETCH_SITE": "same-origin"}, 0),
        ({"HTTP_SEC_FETCH_SITE": "none"}, 0),
        ({"HTTP_ORIGIN": "https://evil.example"}, 403),
        ({"HTTP_ORIGIN": "http://127.0.0.1:8080"}, 403),
        ({"HTTP_ORIGIN": "null"}, 403),
        ({"HTTP_SEC_FETCH_SITE": "cross-site"}, 403),
        ({"HTTP_SEC_FETCH_SITE": "same-site"}, 403),
    ],
)
def test_another_sites_page_changes_nothing(environ: dict[str, str], status: int) -> None:
    """Whatever a browser is led to send is refused, with a token, too."""
    assert refusal(make_guard(), Role.WRITE, True, **environ) == status
    shown = {**environ, "HTTP_AUTHORIZATION": "Bearer write"}
    assert refusal(make_guard("write"), Role.WRITE, True, **shown) == status
