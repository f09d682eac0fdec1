"""Other servers next to this application's OpenAI endpoint, all over HTTP and with the same questions."""

from __future__ import annotations

from random import Random

from aiohttp import ClientSession, ClientTimeout

from deployments.core.documents import SearchQuery
from deployments.core.ids import DEFAULT_TENANT, Scope
from tests.bench.harness.bench import Bench
from tests.bench.harness.peer import Peer, Prompt, ask, resolved
from tests.bench.harness.streams import Streamed
from tests.bench.harness.summaries import percentile
from tests.bench.harness.testbed import Testbed
from tests.bench.harness.text_arm import SPECS, messages, rendered
from tests.bench.workload.agent_questions import agent_questions

QUESTIONS = 5
PASSAGES = 8


async def run(bench: Bench) -> None:
    """Sends each prompt twice to each server, in a random order of the servers."""
    prompts = await _prompts(await bench.testbed())
    ours = Peer("warmline", f"{await bench.url()}/v1", "question", "support")
    rng, seen = Random(bench.seed), dict[tuple[str, str], list[Streamed]]()
    async with ClientSession(timeout=ClientTimeout(300)) as session:
        peers = [await resolved(session, peer, prompts[0]) for peer in (ours, *bench.peers)]
        for kind in ("first", "again"):
            for prompt in prompts:
                for peer in rng.sample(peers, len(peers)):
                    seen.setdefault((peer.name, kind), []).append(await ask(session, peer, prompt))
    sent = {peer.name: f"{peer.send}, {peer.model}" for peer in peers}
    rows = [
        {
            "peer": name,
            "sent": sent[name],
            "kind": kind,
            "n": len(answers),
            "ttft_p50_ms": round(percentile([one.ttft_ms for one in answers], 50), 1),
            "ttft_p95_ms": round(percentile([one.ttft_ms for one in answers], 95), 1),
            "total_p50_ms": round(percentile([one.total_ms for one in answers], 50), 1),
        }
        for (name, kind), answers in sorted(seen.items())
    ]
    bench.report.table("Servers over HTTP", rows)
    bench.report.add("peers", rows)


async def _prompts(bed: Testbed) -> list[Prompt]:
    """Support questions with the passages that the application would answer from."""
    prompts = []
    for one in agent_questions("support", QUESTIONS):
        scope = Scope(DEFAULT_TENANT, SPECS["support"].collection)
        passages = (await bed.knowledge.search.remote(SearchQuery(scope, one.first, PASSAGES))).passages
        text = rendered(bed.models.llm, "support", one.first, passages)
        prompts.append(Prompt(one.first, text, messages("support", one.first, passages)))
    return prompts
