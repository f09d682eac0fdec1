"""Commands that call the application: what they send, show, and exit with."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deployments.core.errors import KnowledgeUnavailable
from deployments.core.records.tickets import TicketDraft
from tests.unit.commands.conftest import Warmline, shown
from tests.unit.serve_app.fake_services import Api

QUESTION = "How do I reset it?"
KEY = "a-key-of-acme-0123456789"


def test_an_answer_is_shown_with_its_ledger(warmline: Warmline) -> None:
    """The text first, then reuse, stages and sources."""
    output = warmline("ask", QUESTION).stdout
    assert output.index("Press Reset.") < output.index("cache hit: 3 segments") < output.index("retrieve")
    assert "KV reused" in output
    assert "decode" in output


def test_an_answer_as_json_has_all_fields_of_the_ledger(warmline: Warmline) -> None:
    """And nothing else is on stdout."""
    answer = shown(warmline("ask", QUESTION, "--json"))
    assert answer["text"] == "Press Reset."
    assert {"reuse", "timings_ms", "citations", "cache_hit", "request_id"} <= set(answer)


def test_asking_again_shows_two_ledgers(warmline: Warmline, api: Api) -> None:
    """Of two requests."""
    assert len(shown(warmline("ask", QUESTION, "--again", "--json"))) == 2
    assert len(api.rig.generator.requests) == 2


@pytest.mark.parametrize("agent", ["support", "business", "documentation"])
def test_every_agent_can_be_asked(warmline: Warmline, agent: str) -> None:
    """By its name."""
    assert shown(warmline("ask", QUESTION, "--agent", agent, "--json"))["reuse"]["answer"]


def test_options_of_a_question_are_sent(warmline: Warmline, api: Api) -> None:
    """Among them a filter, whose pairs with one key are alternatives; the question may come from stdin."""
    options = ["--max-tokens", "7", "--filter", "lang=de", "--filter", "lang=en", "--tenant", "acme"]
    warmline("ask", "-", *options, input=QUESTION)
    query = api.rig.retriever.queries[0]
    assert (query.text, query.scope.tenant, query.only.metadata) == (
        QUESTION,
        "acme",
        (("lang", ("de", "en")),),
    )
    assert api.rig.generator.requests[0].sampling.max_tokens == 7


def test_a_filter_without_a_value_is_a_usage_error(warmline: Warmline) -> None:
    """Exit code 2, and the option's name."""
    assert "--filter" in warmline("ask", QUESTION, "--filter", "lang", code=2).output


def test_the_terminal_gets_no_control_characters(warmline: Warmline, api: Api) -> None:
    """An answer or a title could otherwise rewrite the screen."""
    api.desk.histories.clear()  # type: ignore[attr-defined]
    warmline("tickets", "open", "ann", "broken \x1b[2J \u202egnp.exe")
    assert not {"\x1b", "\u202e"} & set(warmline("tickets", "list").stdout)


def test_the_cache_is_counted_warmed_and_cleared(warmline: Warmline, api: Api) -> None:
    """For one agent or for all."""
    warmline("ask", QUESTION)
    assert "100.0 %" in warmline("cache", "stats").stdout
    assert shown(warmline("cache", "stats", "--json"))["support"]["cache_hits"] == 3
    warmed = shown(warmline("cache", "warm", QUESTION, "--agent", "support", "--json"))
    assert set(warmed) == {"support"}
    assert "support" in warmline("cache", "warm", QUESTION, "--agent", "support").stdout
    assert "cleared 12" in warmline("cache", "clear", "--agent", "support").stdout
    assert api.cache.cleared == [("default", "support_kb")]


def test_a_ticket_from_opening_to_resolution(warmline: Warmline) -> None:
    """Each step by its own command."""
    ticket_id = shown(warmline("tickets", "open", "ann", "The export fails", "--priority", "high", "--json"))[
        "ticket_id"
    ]
    assert (
        "responded" in warmline("tickets", "respond", ticket_id, "Try again.", "--kind", "workaround").stdout
    )
    assert "resolved" in warmline("tickets", "resolve", ticket_id, "Repaired.").stdout
    assert [one["kind"] for one in shown(warmline("tickets", "show", ticket_id, "--json"))["history"]] == [
        "created",
        "responded",
        "resolved",
    ]
    assert "Repaired." in warmline("tickets", "show", ticket_id).stdout
    assert ticket_id in warmline("tickets", "list").stdout


async def test_a_long_list_is_read_page_by_page(warmline: Warmline, api: Api) -> None:
    """Up to the limit."""
    import asyncio

    for _ in range(130):
        await api.desk.create_ticket("default", TicketDraft("ann", "x"), None)  # type: ignore[arg-type]
    assert (
        len(
            shown(await asyncio.to_thread(warmline, "tickets", "list", "--limit", "120", "--json"))["tickets"]
        )
        == 120
    )


def test_documents_are_listed_shown_and_removed(warmline: Warmline, api: Api, tmp_path: Any) -> None:
    """Of a collection."""
    (tmp_path / "a.md").write_text("# Setup\n\nPress the button.")
    collection = ["--collection", "documentation"]
    warmline("ingest", str(tmp_path), "--root", str(tmp_path), *collection)
    assert "a.md" in warmline("documents", "list", *collection).stdout
    assert "Press the button." in warmline("documents", "show", "a.md", *collection).stdout
    assert "removed a.md" in warmline("documents", "remove", "a.md", *collection).stdout
    assert shown(warmline("documents", "list", "--json", *collection)) == {"documents": []}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("tickets", "show", "none"), 4, "there is no ticket"),
        (("ask", QUESTION, "--agent", "sales"), 4, "support, business, documentation"),
        (("documents", "list", "--collection", "none"), 4, "there is no collection"),
        (("ask",), 2, "Missing argument"),
        (("ask", QUESTION, "--url", "localhost:8000"), 2, "http://"),
        (("keys", "create", "x"), 4, "WARMLINE_API_KEYS"),
    ],
)
def test_an_error_is_one_line_with_its_exit_code(
    warmline: Warmline, arguments: tuple[str, ...], code: int, says: str
) -> None:
    """It says what to do."""
    result = warmline(*arguments, code=code)
    assert says in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_an_error_as_json_is_that_of_the_api(warmline: Warmline) -> None:
    """On stderr, since stdout has results only."""
    result = warmline("tickets", "show", "none", "--json", code=4)
    assert json.loads(result.stderr)["error"]["code"] == "not_found"


def test_a_server_that_is_not_ready_is_3(warmline: Warmline, api: Api) -> None:
    """So that a script can wait and try again."""
    api.desk.fault = KnowledgeUnavailable("the database can't be used")  # type: ignore[attr-defined]
    assert "doctor" in warmline("tickets", "show", "x", code=3).stderr


@pytest.mark.parametrize("way", ["option", "variable"])
def test_a_key_is_an_option_or_a_variable(
    warmline: Warmline, api: Api, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Without one, the error names both."""
    keyed = Api(api_keys=f"{KEY}=acme")
    monkeypatch.setattr(api, "app", keyed.app)
    refused = warmline("cache", "stats", code=4)
    assert "WARMLINE_KEY" in refused.stderr
    if way == "variable":
        monkeypatch.setenv("WARMLINE_KEY", KEY)
    warmline("cache", "stats", *(["--key", KEY] if way == "option" else []))


def test_the_variables_of_clients_do_not_stop_the_application() -> None:
    """They begin as settings do, and an unknown setting stops the start."""
    from serve_app.settings import Settings

    Settings.from_env({"WARMLINE_URL": "http://there", "WARMLINE_KEY": KEY})
