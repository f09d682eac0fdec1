"""The page in a browser: Debian's chromium, and the application over fakes on a free port."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import uvicorn

from tests.integration.page.paced import PacedGenerator, paced_api
from tests.unit.serve_app.fake_services import Api

CHROMIUM = "/usr/bin/chromium"
KEY = "acme-key-0123456789"


@pytest.fixture
def engine() -> PacedGenerator:
    """The support agent's engine."""
    return PacedGenerator()


@pytest.fixture
def api(engine: PacedGenerator) -> Api:
    """Without keys."""
    return paced_api(engine)


@pytest.fixture
def guarded_api(engine: PacedGenerator) -> Api:
    """With a key."""
    return paced_api(engine, api_keys=f"{KEY}=acme")


@pytest.fixture
async def browser() -> AsyncGenerator[Any, None]:
    """A browser without any data."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        await chromium.close()


class Visit:
    """A page that is open in a browser. `faults` lists what its scripts and its policy complained about."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.faults: list[str] = []
        self.hosts: set[str] = set()
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._heard)
        page.on("request", lambda request: self.hosts.add(request.url.split("/")[2]))

    def _heard(self, message: Any) -> None:
        # A refused request is shown by the page, and reported by the browser as well.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            self.faults.append(message.text)


class Site:
    """Serves an application on a free port, and opens its page."""

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._servers: list[tuple[uvicorn.Server, asyncio.Task[None]]] = []

    async def visit(self, api: Api, view: str = "", **options: Any) -> Visit:
        """The page of `api` at a view; options are those of a browser's context."""
        listening = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(api.app, log_level="error", lifespan="off"))
        self._servers.append((server, asyncio.create_task(server.serve([listening]))))
        context = await self._browser.new_context(**options)
        visit = Visit(await context.new_page())
        visit.page.set_default_timeout(20_000)
        await visit.page.goto(f"http://127.0.0.1:{listening.getsockname()[1]}/#/{view}")
        return visit

    async def close(self) -> None:
        """Stops what was served."""
        for server, serving in self._servers:
            server.should_exit = True
            await serving


@pytest.fixture
async def site(browser: Any) -> AsyncGenerator[Site, None]:
    """Where pages are visited."""
    opened = Site(browser)
    yield opened
    await opened.close()
