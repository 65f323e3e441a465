"""Who may ask: a web page of somebody else's may not, whatever name it gives this machine; with a token, who has it."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Collection
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from twoface_pl.serving.http.answers import error_answer

LOOPBACK = "localhost"
_AUTHORITY = re.compile(r"(?:\[(?P<address>[^\[\]]+)\]|(?P<name>[^\[\]:]+))(?::\d*)?")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class HostGuard:
    """Refuses requests under a foreign name, or from a foreign web page.

    A page of anybody's can send requests to this machine: from its own origin, which the browser says in ``Origin``,
    or from its own name after letting that name point here, which then stands in ``Host``. An address in ``Host`` is
    no such name.

    Args:
        app: what is guarded.
        names: the names of this server beside ``localhost`` and any IP address.
        origins: of other web pages that may ask all the same, as ``https://faces.example``.
    """

    def __init__(self, app: ASGIApp, names: Collection[str] = (), origins: Collection[str] = ()) -> None:
        self.app = app
        self.names = {LOOPBACK, *(name.lower() for name in names)}
        self.origins = {origin.lower() for origin in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(Headers(scope=scope)) if scope["type"] == "http" else None
        await (refusal or self.app)(scope, receive, send)

    def _refusal(self, headers: Headers) -> Response | None:
        host = headers.get("host")
        if host is not None and not self._is_ours(host):  # only HTTP/1.0 may leave it out, and no browser does
            return error_answer("this server has another name; add yours with `twoface serve --allow-host NAME`", 421)
        for origin in headers.getlist("origin"):
            if origin.lower() not in self.origins and origin.partition("://")[2].lower() != (host or "").lower():
                return error_answer("requests from other web pages are not answered", 403)
        return None

    def _is_ours(self, host: str) -> bool:
        found = _AUTHORITY.fullmatch(host)
        if found is None:
            return False
        if found["address"]:
            return ":" in found["address"] and _is_address(found["address"])
        name = found["name"].lower().removesuffix(".")
        return name in self.names or _is_address(name)


class TokenGuard:
    """Answers who sends ``Authorization: Bearer <token>``.

    Args:
        app: what is guarded.
        token: the secret; None: everybody is answered.
        is_free: whether a path needs none, as that of readiness.
    """

    def __init__(self, app: ASGIApp, token: str | None, is_free: Callable[[str], bool]) -> None:
        self.app, self.is_free = app, is_free
        self._wanted = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = scope["type"] != "http" or self._wanted is None or self.is_free(scope["path"])
        if known or self._is_right(Headers(scope=scope).get("authorization", "")):
            await self.app(scope, receive, send)
            return
        refusal = error_answer("a token is needed: Authorization: Bearer <token>", 401, www_authenticate="Bearer")
        await refusal(scope, receive, send)

    def _is_right(self, header: str) -> bool:
        kind, _, token = header.partition(" ")
        assert self._wanted is not None
        # in a time that says nothing of how much of it is right
        return kind.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), self._wanted)
