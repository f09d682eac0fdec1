"""The web page in a real browser: what a person does there, and what every person can perceive of it."""

import re

import pytest

from deployments.core.cache_history import ReuseCounts
from deployments.core.documents import DocumentDraft
from deployments.core.ids import DocId, Scope, TenantId
from deployments.core.token_ids import from_bytes
from tests.integration.page.conftest import KEY
from tests.unit.rag.rig import SCOPE

pytestmark = pytest.mark.system

QUESTION = "How do I cancel?"
VIEWS = [
    "ask",
    "knowledge",
    "knowledge/support_kb/cancel",
    "cache",
    "records/tickets",
    "records/report",
    "records/templates",
    "records/ideas",
    "settings",
]


async def ask(page, question=QUESTION):
    """Asks, and waits for the ledger of the answer."""
    before = await page.locator("wl-ledger").count()
    await page.fill("#question", question)
    await page.keyboard.press("Control+Enter")
    await page.locator("wl-ledger").nth(before).wait_for()


async def put(api, name, text="# Cancel\n\n## Steps\n\nPress it."):
    """Stores a document of the default tenant."""
    scope = Scope(TenantId("default"), SCOPE.collection)
    await api.library.put(scope, DocumentDraft(DocId(name), "", None, "text/markdown", text.encode()))


async def test_an_answer_streams_and_shows_its_ledger(site, api, engine):
    """Text is there before the answer is complete; then come sources, stages and tokens."""
    visit = await site.visit(api)
    page = visit.page
    await page.locator(".examples button").first.wait_for()
    assert await page.locator(".examples button").count() == 5
    engine.gate.clear()
    await page.fill("#question", QUESTION)
    await page.keyboard.press("Control+Enter")
    await page.locator(".answer li").first.wait_for()
    assert await page.locator("wl-ledger").count() == 0
    engine.gate.set()
    await page.locator("wl-ledger").wait_for()
    assert await page.locator(".citations button").count() == 3
    ledger = await page.inner_text("wl-ledger")
    for stage in ("retrieve", "tokens", "assemble", "route", "queue", "prefill", "decode"):
        assert stage in ledger
    assert re.search(r"0 of [\d,]+ tokens reused", ledger)
    assert visit.faults == []
    assert len(visit.hosts) == 1


async def test_the_mark_of_the_first_token_stands_where_its_stage_ends(site, api):
    """However many stages before it took next to no time."""
    page = (await site.visit(api)).page
    await ask(page)
    edge = "(drawn) => drawn.getBoundingClientRect()"
    prefilled = await page.locator("wl-ledger .stage-prefill").first.evaluate(edge)
    mark = await page.locator(".timeline .until").first.evaluate(edge)
    assert mark["right"] == pytest.approx(prefilled["right"], abs=3)


async def test_markup_in_an_answer_stays_text(site, api):
    """Markdown is shown; a script, a picture or a link that runs one is not made."""
    visit = await site.visit(api)
    page = visit.page
    await ask(page)
    assert await page.locator(".answer ol > li").count() == 2
    assert await page.inner_text(".answer td >> nth=0") == "Team"
    assert await page.locator(".answer img, .answer script").count() == 0
    links = await page.locator(".answer a").evaluate_all("links => links.map((link) => link.href)")
    assert links == ["https://docs.example/x"]
    assert "[this](javascript:alert(1))" in await page.inner_text(".answer")
    assert visit.faults == []


async def test_asking_again_shows_what_was_saved(site, api):
    """Both runs stand next to each other, with the difference of time and tokens."""
    page = (await site.visit(api)).page
    await ask(page)
    await page.click(".asked button")
    await page.locator(".comparison").wait_for()
    assert await page.locator("wl-run").count() == 2
    said = await page.inner_text(".comparison")
    assert "less time to the first token" in said
    assert "10 tokens prefilled" in said
    assert "did not have to be prefilled again" in said


async def test_a_follow_up_question_has_the_conversation(site, api, engine):
    """It is sent with the question and the answer before it."""
    page = (await site.visit(api)).page
    await ask(page)
    await ask(page, "And then?")
    prompt = api.rig.encoder.decode(from_bytes(engine.requests[1].prompt))
    assert QUESTION in prompt
    assert "Open **Settings**" in prompt
    assert prompt.index(QUESTION) < prompt.index("And then?")


async def test_stopping_ends_the_call(site, api, engine):
    """The part that came stays, and the page says why there is no ledger."""
    engine.gate.clear()
    page = (await site.visit(api)).page
    await page.click(".examples button >> nth=0")
    await page.locator(".answer li").first.wait_for()
    await page.click("text=Stop")
    await page.locator("text=You stopped this answer").wait_for()
    assert await page.locator("wl-ledger").count() == 0


async def test_a_source_opens_its_document(site, api):
    """With the passage and the whole text, which Escape closes again."""
    await put(api, "doc-0", "# Title\n\nThe whole text.")
    page = (await site.visit(api)).page
    await ask(page)
    await page.click(".citations button >> nth=0")
    await page.locator("dialog >> text=The whole text.").wait_for()
    await page.keyboard.press("Escape")
    await page.locator("dialog").wait_for(state="detached")


async def test_an_error_of_the_api_is_shown(site, api):
    """With the sentence that the API has for it."""
    page = (await site.visit(api)).page
    await page.locator(".examples button").first.wait_for()
    api.library.fault = api.rig.retriever.fault = RuntimeError("secret")
    await page.click(".examples button >> nth=0")
    await page.locator(".failure >> text=an internal error happened").wait_for()


async def test_files_are_stored_or_refused_with_a_reason(site, api):
    """Each on its own: one that can't be read does not keep the others out."""
    page = (await site.visit(api, "knowledge")).page
    files = [
        {"name": "Über uns (2).md", "mimeType": "", "buffer": b"# About us"},
        {"name": "empty.md", "mimeType": "", "buffer": b"  "},
        {"name": "plan.exe", "mimeType": "", "buffer": b"x"},
    ]
    await page.set_input_files("input[type=file]", files)
    await page.locator("li.done").wait_for()
    await page.locator("li.refused").nth(1).wait_for()
    assert "Stored as Uber-uns-2, version 1" in await page.inner_text("li.done")
    refused = await page.locator("li.refused").all_inner_texts()
    assert "it holds no text" in refused[0]
    assert "what can: md, markdown, txt" in refused[1]
    assert [draft.doc_id for draft in api.library.drafts] == ["Uber-uns-2"]
    await page.locator("td >> text=Uber-uns-2").first.wait_for()


async def test_a_document_is_deleted_after_a_question(site, api):
    """Not when the question is answered with Cancel."""
    await put(api, "cancel")
    page = (await site.visit(api, "knowledge/support_kb/cancel")).page
    await page.click("text=Delete")
    await page.click("dialog >> button:text-is('Cancel')")
    assert len(api.library.documents) == 1
    await page.click("text=Delete")
    await page.click("dialog .danger")
    await page.locator("text=2 cached passages were discarded").wait_for()
    assert not api.library.documents


async def test_a_ticket_is_opened_and_resolved(site, api):
    """Its status decides on the actions that are offered."""
    page = (await site.visit(api, "records/tickets")).page
    await page.click("text=Open a ticket")
    await page.fill("dialog input", "ann")
    await page.fill("dialog textarea", "The export fails")
    await page.click("dialog .primary")
    await page.click("button:text-is('Resolve')")
    await page.fill("dialog textarea", "Repaired.")
    await page.click("dialog .primary")
    await page.locator("button:text-is('Reopen')").wait_for()
    assert await page.locator("button:text-is('Respond')").count() == 0


async def test_no_ticket_is_told_apart_from_none_that_is_like_that(site, api):
    """Who looks for the first one learns how they are made. The address of a tab needs no `records/`."""
    page = (await site.visit(api, "tickets")).page
    await page.locator("text=There are no tickets yet. Open one here").wait_for()
    assert page.url.endswith("#/records/tickets")
    await page.select_option("select >> nth=0", "open")
    await page.locator("text=No ticket is like that.").wait_for()
    await page.evaluate("location.hash = '#/tickets/a%2Fb'")
    await page.wait_for_url("**/#/records/tickets/a%2Fb")


async def test_the_cache_shows_what_the_last_hour_and_day_reused(site, api):
    """As lines, once there is more than one step, and in words; an agent that nobody has asked has none."""
    page = (await site.visit(api, "cache")).page
    await page.locator(".history").first.wait_for()
    assert await page.locator(".history").count() == 6
    assert "2 answers" in await page.inner_text(".history >> nth=1")
    drawn = page.locator(".history svg")
    assert await drawn.count() == 0
    api.history.before = api.history.now
    await page.click("text=Refresh")
    assert await drawn.first.get_attribute("aria-label") == (
        "Last hour: passages found 83.3 %, prompt tokens reused 80 %"
    )
    assert await drawn.first.locator("path").count() == 2
    api.history.before = api.history.now = ReuseCounts()
    await page.click("text=Refresh")
    await page.locator(".history").first.wait_for(state="detached")
    assert await page.locator(".agent-card").count() == 3


async def test_a_missing_key_leads_to_its_entry(site, guarded_api):
    """The key is sent from then on, and kept in the tab only."""
    page = (await site.visit(guarded_api)).page
    await page.locator("text=This server wants an API key").wait_for()
    await page.fill("#api-key", "wrong")
    await page.click("text=Save")
    await page.locator(".failure >> text=the API key is unknown").wait_for()
    await page.fill("#api-key", KEY)
    await page.click("text=Save")
    await page.locator("text=The server accepts it").wait_for()
    assert await page.evaluate("Object.values(localStorage)") == []
    await page.click("nav >> text=Ask")
    await ask(page)
    assert guarded_api.rig.retriever.queries[-1].scope.tenant == "acme"


async def test_the_chosen_theme_stays(site, api):
    """From the first paint of the next visit on."""
    page = (await site.visit(api, "settings")).page
    await page.check("text=Dark")
    await page.reload()
    scheme = await page.evaluate("getComputedStyle(document.documentElement).colorScheme")
    assert scheme == "dark"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
async def test_everybody_can_use_it(site, api, scheme, width):
    """No rule of axe is broken, and nothing is wider than the window."""
    from axe_playwright_python.async_playwright import Axe

    await put(api, "cancel")
    visit = await site.visit(api, color_scheme=scheme, viewport={"width": width, "height": 800})
    page = visit.page
    await ask(page)
    await page.click(".asked button")
    await page.locator(".comparison").wait_for()
    for view in VIEWS:
        await page.evaluate("view => { location.hash = `#/${view}` }", view)
        await page.locator("h1").wait_for()
        await page.wait_for_load_state("networkidle")
        found = await Axe().run(page)
        assert found.violations_count == 0, f"{view}: {found.generate_report()}"
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
    assert visit.faults == []
