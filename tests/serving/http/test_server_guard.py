"""Whose requests are answered, and how `twoface serve` names itself."""

import argparse

import pytest
from fastapi.testclient import TestClient

from twoface_pl.cli.serve import parse_host, parse_name, parse_number, parse_origin, parse_port, url_of
from twoface_pl.serving.http.answers import json_answer
from twoface_pl.serving.http.guard import HostGuard, TokenGuard

client = TestClient(HostGuard(json_answer({}), ["Faces.example", "::1"]), base_url="http://127.0.0.1:8501")


def _status(**headers: str) -> int:
    answer = client.post("/", headers=headers)
    assert answer.status_code == 200 or list(answer.json()) == ["error"]
    return answer.status_code


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8501",
        "localhost",
        "LOCALHOST:1",
        "localhost.",
        "[::1]:8501",
        "[fe80::1]",
        "10.0.0.1",
        "faces.example:80",
    ],
)
def test_our_names_and_any_address_are_answered(host: str) -> None:
    assert _status(host=host) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", ":80", "a:b:c", "localhost:x", "127.1",
     "[::1", "[evil.example]", "[127.0.0.1]", "user@localhost", "localhost/", "2130706433", "faces.example.."],
)  # fmt: skip
def test_other_names_are_not(host: str) -> None:
    assert _status(host=host) == 421


def test_pages_of_another_origin_are_not_answered() -> None:
    assert _status(origin="http://127.0.0.1:8501") == 200
    assert _status(host="Faces.example", origin="https://faces.example") == 200
    for origin in ("https://evil.example", "http://127.0.0.1:3000", "http://127.0.0.1", "null", "", "file://"):
        assert _status(origin=origin) == 403


def test_pages_that_are_named_are_answered() -> None:
    named = HostGuard(json_answer({}), origins=["https://Faces.example"])
    asked = TestClient(named, base_url="http://127.0.0.1:8501")
    assert asked.post("/", headers={"origin": "https://faces.example"}).status_code == 200
    assert asked.post("/", headers={"origin": "https://faces.example.evil.example"}).status_code == 403


def test_without_the_token_only_health_is_told() -> None:
    asked = TestClient(TokenGuard(json_answer({}), "s3cret-of-sixteen", {"/healthz"}.__contains__))
    assert asked.get("/healthz").status_code == 200
    assert asked.get("/", headers={"authorization": "Bearer s3cret-of-sixteen"}).status_code == 200
    assert asked.get("/", headers={"authorization": "bearer  s3cret-of-sixteen"}).status_code == 200
    for wrong in ("", "Bearer", "Bearer s3cret-of-sixteeN", "Basic s3cret-of-sixteen", "s3cret-of-sixteen", "Bearer é"):
        refused = asked.get("/", headers={"authorization": wrong.encode()} if wrong else {})
        assert (refused.status_code, list(refused.json())) == (401, ["error"])
        assert refused.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("::1", "http://[::1]:8501"),
        ("::", "http://[::1]:8501"),
        ("0.0.0.0", "http://127.0.0.1:8501"),
        ("fe80::1%eth0", "http://[fe80::1%25eth0]:8501"),
        ("faces.example", "http://faces.example:8501"),
    ],
)
def test_the_address_that_is_printed_can_be_asked(host: str, url: str) -> None:
    assert url_of(host, 8501) == url


def test_options_are_names_and_addresses() -> None:
    assert parse_host("[::1]") == "::1"
    assert parse_name("faces.example") == "faces.example"
    refused = [(parse_host, ""), (parse_host, "http://a"), (parse_host, "a b"), (parse_name, "http://faces.example")]
    refused += [(parse_origin, origin) for origin in ("*", "null", "faces.example", "https://faces.example/page")]
    refused += [(parse_number, number) for number in ("0", "-1", "1.5", "many", "100000")]
    refused += [(parse_name, "faces.example:80"), (parse_name, "*"), (parse_name, ""), (parse_port, "٨٥٠١")]
    for parse, text in refused:
        with pytest.raises(argparse.ArgumentTypeError, match="is not a"):
            parse(text)
