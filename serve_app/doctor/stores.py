"""The checks of what is stored where."""

from __future__ import annotations

from pathlib import Path

from deployments.core.errors import WarmlineError
from deployments.database.inspection import inspect
from serve_app.assembly.knowledge import database_url
from serve_app.doctor.finding import Check, Finding, fail, ok, warn
from serve_app.doctor.redis import redis
from serve_app.settings import Settings


def checks(settings: Settings) -> list[tuple[str, Check]]:
    """The checks of what is stored where."""
    return [("redis", lambda: redis(settings)), ("database", lambda: database(settings))]


async def database(settings: Settings) -> Finding:
    """Whether the database answers, and has this version's tables."""
    url = database_url(settings)
    if not settings.on_postgresql and not _exists(url):
        return ok("database", "will be made at the first start")
    try:
        found = await inspect(url)
    except WarmlineError as error:
        return fail("database", str(error), "start it, or correct DATABASE_URL")
    text = f"{found.dialect}, revision {found.revision or 'none'}"
    if found.revision == found.newest:
        return ok("database", text)
    if found.known:
        return warn(
            "database", f"{text}; {found.newest} is the newest", "nothing to do: the next start migrates it"
        )
    return fail(
        "database", f"{text}, which a newer Warmline made", "update Warmline, or restore an older backup"
    )


def _exists(url: str) -> bool:
    return Path(url.removeprefix("sqlite:///")).exists()
