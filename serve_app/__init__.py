"""Warmline's application: `serve run serve_app:app`, or `serve_app:build_app` with `key=value` settings.

`app` is built at its first use, so that importing this package starts and loads nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ray.serve import Application

__all__ = ["app", "build_app"]


def build_app(args: dict[str, str]) -> Application:
    """The application with settings by field name: `serve run serve_app:build_app order=rank`."""
    from serve_app.building import build

    return build(args)


def __getattr__(name: str) -> Any:
    if name == "app":
        return build_app({})
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
