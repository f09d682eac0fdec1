"""The Python client against the running application: the seed's examples, and a handle inside Ray."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.core.errors import NotFound
from serve_app.client import BusinessGenerationAgent, DocumentationAgent
from tests.integration.application.running import ROOT, Application, _ray_environment

TENANT = "my_business"
ARTICLE = "Open the sign-in page, choose *Forgot password*, and follow the link in the e-mail."
REFERENCE = "Send the header `Authorization: Bearer <token>` with every request to authenticate."
INSIDE_RAY = """
import sys
from serve_app.local_ray import prepare_environment
from serve_app.settings import Settings
prepare_environment(Settings.from_env({}))
import asyncio, json, ray
from deployments.core.errors import NotFound
from serve_app.client import SupportAgent
ray.init(sys.argv[1], namespace="serve", log_to_driver=False)

async def main():
    agent = SupportAgent(business_id="my_business")
    answer = await agent.answer_support_query_cached("How do I reset my password?", max_tokens=8)
    try:
        await agent.respond_to_ticket("none", "Hello?")
    except NotFound as error:
        transport = type(agent._connection._transport).__name__
        found = {"transport": transport, "answer": answer, "param": error.param}
        print(json.dumps(found))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def knowledge(application: Application) -> None:
    """What the examples' tenant knows; the samples are another's."""
    url = str(application.http.base_url)
    for collection, doc_id, section, content in (
        ("support_kb", "reset", "accounts", ARTICLE),
        ("documentation", "auth", "api", REFERENCE),
        ("documentation", "doc_123", "guide", "# Old\n\nThe first text."),
    ):
        response = application.http.put(
            f"/v1/collections/{collection}/documents/{doc_id}",
            json={"title": doc_id, "section": section, "content": content},
            headers={"x-business-id": TENANT},
        )
        assert response.status_code == 200, response.text
    business = BusinessGenerationAgent(TENANT, url=url)
    template = {"name": "Invoice reminders", "description": "Reminds customers of open invoices by e-mail."}
    asyncio.run(business.store_business_template("saas", template, {"success_score": 0.9, "customers": 310}))


@pytest.mark.timeout(600)
def test_the_seeds_examples_run_and_print(application: Application, knowledge: None) -> None:
    """They answer from documents whose tokens were written through, and their update is stored."""
    docs = DocumentationAgent(TENANT, url=str(application.http.base_url))
    with pytest.raises(NotFound):
        asyncio.run(docs.update_documentation("doc_124", "Updated content"))
    done = _run(["-m", "tests.integration.application.seed_examples"], port=application.http.base_url.port)
    assert done.returncode == 0, done.stderr
    printed = done.stdout
    for name in ("Response", "Templates", "Documentation"):
        assert printed.partition(f"{name}: ")[2].partition("\n")[0].strip()
    assert printed.count("Cache hit: True") == 3
    assert printed.count("ms\n") >= 3
    assert "Hit rate: 100.0%" in printed
    headers = {"x-business-id": TENANT}
    document = application.http.get("/v1/documentation/doc_123", headers=headers).json()
    assert (document["version"], document["content"].strip()) == (2, "Updated content")
    found = asyncio.run(docs.search_documentation("updated content"))
    assert "doc_123" in [hit["doc_id"] for hit in found["results"]]


def test_inside_ray_the_client_uses_a_handle(application: Application, knowledge: None) -> None:
    """No port is needed, and errors are what they are over HTTP."""
    raylet, *_ = application.pids("--gcs-address=")
    command = Path(f"/proc/{raylet}/cmdline").read_text()
    address = command.partition("--gcs-address=")[2].partition("\0")[0]
    done = _run(["-c", INSIDE_RAY, address], port=1)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["transport"], found["param"]) == ("RayTransport", "ticket_id")
    assert found["answer"]["citations"][0]["doc_id"] == "reset"
    assert found["answer"]["cache_hit"]


def _run(arguments: list[str], port: int | None) -> subprocess.CompletedProcess[str]:
    """Runs Python as a user would, with the token of the application's Ray cluster."""
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("WARMLINE_")},
        **_ray_environment(),
        "WARMLINE_HTTP_PORT": str(port),
    }
    return subprocess.run(
        [sys.executable, *arguments],
        env=environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
