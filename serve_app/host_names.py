"""Host names of this machine's loopback interface, and the check that a request is addressed to one.

Without API keys, a client that reaches the API may use every tenant. It listens on loopback only, but a web
page reaches loopback too: the page's own name can be made to lead to 127.0.0.1 (DNS rebinding), or the page
sends a request to localhost. The browser then names the page's host in `Host`, or in `Origin`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from deployments.core.errors import Forbidden

if TYPE_CHECKING:  # the client imports the settings, which import this; it may lack Starlette
    from starlette.datastructures import Headers

_HOST = re.compile(r"(?:\[(?P<ipv6>[^\[\]]*)\]|(?P<name>[^:\[\]]*))(?::[0-9]*)?")
"""The header `Host`: a name or an address, and perhaps a port."""


def is_loopback(host: str) -> bool:
    """Whether this is `localhost` or an address of the loopback interface."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_addressed_to_loopback(headers: Headers, allowed_origins: Collection[str] = ()) -> None:
    """Raises Forbidden for a request to another host than loopback, or from another host's web page.

    Web pages of `allowed_origins` may send requests.
    """
    hosts = headers.getlist("host")
    if not hosts or not all(_names_loopback(host) for host in hosts):
        raise Forbidden(
            "without API keys, only requests to localhost, 127.0.0.1 or [::1] are answered: use one of "
            "these names, or set WARMLINE_API_KEYS"
        )
    if not all(origin in allowed_origins or _is_local_origin(origin) for origin in headers.getlist("origin")):
        raise Forbidden(
            "without API keys, requests from web pages of other hosts are refused: open the page on "
            "localhost, name its origin in WARMLINE_CORS_ORIGINS, or set WARMLINE_API_KEYS"
        )


def _names_loopback(host: str) -> bool:
    found = _HOST.fullmatch(host)
    return found is not None and is_loopback(found["name"] or found["ipv6"] or "")


def _is_local_origin(origin: str) -> bool:
    """`null`, the origin of sandboxed pages and of files, is not local: any web page can have it."""
    scheme, separator, host = origin.partition("://")
    return bool(scheme and separator) and _names_loopback(host)
