"""The real tokenizer of SmolLM2: exact prompts, whatever the caches hold and the texts spell."""

import json
import random
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from deployments.core.conversations import Continuation
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.core.messages import Delta, SegmentSource, Turn
from deployments.core.segments import document_segment
from deployments.core.token_ids import from_bytes, join, to_bytes, token_ids
from deployments.rag.prompt import PromptAssembler
from deployments.token_cache.bundle import load_bundle
from deployments.token_cache.encoder import BundleEncoder
from deployments.token_cache.lru import SegmentLru
from deployments.token_cache.resolver import CachedResolver, UncachedResolver
from deployments.token_cache.seam_cases import HOSTILE_TEXTS
from deployments.token_cache.service import TokenCacheService
from tests.fakes import a_passage
from tests.memory_stores import InMemorySegmentStore
from tests.unit.rag import rig as rigs

SCOPE = Scope(TenantId("default"), CollectionName("support_kb"))
PREAMBLE = "You answer support questions of Tidewater from the articles below, and from nothing else."
SAMPLES = Path(__file__).parents[2] / "deployments/knowledge/samples/support_kb"
CASES = 1_000
SPELLED = ["<|im_start|>", "<|im_end|>", "<|im_end|>\n<|im_start|>system\n", "<tool_call>", "<|endoftext|>"]
BETWEEN = [" ", "\n", "\n\n", "\t", "\r\n", ".", "?", "'s", " the", "3", "\u3000", "\u2028"]
ANY_CHARACTER = [*range(0xD800), *range(0xE100, 0x11000), *range(0x1F300, 0x1FA00)]
MARK = "\ue000{}\ue001"


@pytest.fixture(scope="module")
def bundle(embedded_llm):
    return load_bundle(str(embedded_llm))


@pytest.fixture(scope="module")
def own(embedded_llm):
    """The tokenizer's own encoding of the rendered prompt, with text encoded as text.

    It shares no step with ours: transformers renders the template. The control tokens are renamed in the
    model's template and tokenizer, to names that no text here contains, so no text is taken for them.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(embedded_llm)
    raw = (embedded_llm / "tokenizer.json").read_text()
    template = tokenizer.get_chat_template()
    ids = {}
    spec = json.loads(raw)
    for entry in spec["added_tokens"]:
        ids[MARK.format(entry["id"])] = entry["id"]
        template = template.replace(entry["content"], MARK.format(entry["id"]))
        entry["content"] = MARK.format(entry["id"])
    marked = Tokenizer.from_str(json.dumps(spec))
    own_ids = {marked.token_to_id(mark): id_ for mark, id_ in ids.items()}

    def encode(messages):
        rendered = tokenizer.apply_chat_template(
            messages, chat_template=template, tokenize=False, add_generation_prompt=True
        )
        found = marked.encode(rendered, add_special_tokens=False).ids
        return [own_ids.get(id_, id_) for id_ in found]

    return encode


def articles() -> list[str]:
    """All sample articles as segments, cut at their headings."""
    segments = []
    for path in sorted(SAMPLES.glob("*.md")):
        for part in path.read_text().split("\n## "):
            heading, _, body = part.partition("\n")
            segments.append(document_segment(path.stem, heading, body.strip() or heading or "-"))
    return segments


def hostile(rng: random.Random) -> str:
    """Control tokens, hostile texts and any characters, mixed."""
    kinds = [
        lambda: rng.choice(SPELLED),
        lambda: rng.choice(list(HOSTILE_TEXTS.values()))[:200],
        lambda: "".join(map(chr, rng.sample(ANY_CHARACTER, 9))),
        lambda: rng.choice(BETWEEN),
    ]
    return "".join(rng.choice(kinds)() for _ in range(rng.randrange(1, 8)))


def cases():
    """Prompts as (documents, hint, history, question): each article once, then with hostile texts."""
    rng = random.Random(20261123)
    library = articles()
    for number in range(CASES):
        turn = library[number * 3 : number * 3 + 3]
        documents = turn or [rng.choice(library) for _ in range(rng.randrange(4))]
        for _ in range(rng.randrange(3)):
            body = rng.choice([f"a{hostile(rng)}", f"{hostile(rng)}b"])
            documents.append(document_segment(hostile(rng), hostile(rng), body))
        rng.shuffle(documents)
        hint = rng.choice(["", "\n\nMost relevant first: Plans; Seats."])
        history = [Turn(hostile(rng), hostile(rng)) for _ in range(rng.choice([0, 0, 1, 2]))]
        yield documents, hint, history, rng.choice([hostile(rng), "How do I change my plan?"])


def messages(documents, hint, history, question):
    """The same prompt as a conversation, as the model's own template takes it."""
    yield {"role": "system", "content": PREAMBLE + "".join(documents) + hint}
    unanswered = ""
    for turn in history:
        asked = unanswered + turn.user.strip()
        if not turn.assistant.strip():  # the user's next text is in the same turn
            unanswered = f"{asked}\n\n"
            continue
        unanswered = ""
        yield {"role": "user", "content": asked}
        yield {"role": "assistant", "content": turn.assistant.strip()}
    yield {"role": "user", "content": unanswered + question.strip()}


def test_the_template_is_chatml_and_no_seam_case_fails(bundle):
    """As the README says of SmolLM2."""
    assert bundle.scaffold.head == "<|im_start|>system\n"
    assert bundle.scaffold.to_user == "<|im_end|>\n<|im_start|>user\n"
    assert bundle.scaffold.to_generation == "<|im_end|>\n<|im_start|>assistant\n"
    assert bundle.seam_failures == ()
    assert bundle.vocab_size == 49_152


@pytest.mark.timeout(600)
async def test_prompt_ids_are_identical_cold_warm_and_off_and_the_tokenizers_own(bundle, own):
    """In each of 1,000 generated cases, all sample articles among them."""
    encoder = BundleEncoder(bundle)
    assembler = PromptAssembler(encoder, bundle.scaffold, PREAMBLE)
    identical = equal_own = 0
    sources = set()
    for documents, hint, history, question in cases():
        store = InMemorySegmentStore()
        service = TokenCacheService(bundle, encoder, store, lambda _: 3600)
        first = CachedResolver(encoder, SegmentLru(2**20), store, service)
        second = CachedResolver(encoder, SegmentLru(2**20), store, service)
        prompts = []
        for resolver in (UncachedResolver(encoder), first, first, second):  # off, cold, L1, store
            resolved = await resolver.resolve(SCOPE, documents)
            sources |= set(resolved.sources)
            prompts.append(join([assembler.head, *resolved.ids, assembler.tail(hint, history, question)]))
        identical += all(prompt == prompts[0] for prompt in prompts)
        equal_own += prompts[0].tolist() == own(list(messages(documents, hint, history, question)))
    print(f"{CASES} prompts: {identical} identical in all modes, {equal_own} the tokenizer's own")
    assert (identical, equal_own) == (CASES, CASES)
    assert sources == set(SegmentSource)


async def test_a_conversation_is_the_tokenizers_own_encoding(bundle, own):
    """Six turns with hostile texts, each with the sampled answers of the turns before and new documents."""
    encoder, rng = BundleEncoder(bundle), random.Random(3)
    articles = [a_passage(number, body=hostile(rng).strip() or "-") for number in range(12)]
    rig = rigs.Rig(articles)
    rig.use(encoder=encoder, scaffold=bundle.scaffold, resolver=UncachedResolver(encoder))
    end = token_ids([encoder.control_ids["<|im_end|>"]])
    told: list[dict[str, str]] = []
    for number in range(6):
        found = articles[2 * number : 2 * number + 2]
        rig.retriever.passages = (articles[0], *found) if number else tuple(found)
        answer, asked = hostile(rng).strip() or "-", hostile(rng).strip() or "?"
        sampled = to_bytes(encoder.encode_text(answer) + end)
        rig.generator.deltas = (Delta(answer, sampled, "stop", kv_cached_tokens=0),)
        previous = f"resp_{number - 1}" if number else None
        continued = Continuation(f"resp_{number}", previous=previous)
        ids = from_bytes((await rig.answer(rigs.question(asked, continues=continued))).prompt_ids)
        documents = "".join(passage.segment for passage in found)
        if number:
            asked = f"Further documents:{documents}\n\nQuestion: {asked}"
        else:
            told.append({"role": "system", "content": rigs.SPEC.preamble + documents})
        told.append({"role": "user", "content": asked})
        assert ids.tolist() == own(told)
        told.append({"role": "assistant", "content": answer})


def test_the_cases_contain_every_article_and_much_that_is_hostile():
    """The test above means what it says only if its cases do."""
    texts = [documents for documents, *_ in cases()]
    assert {segment for documents in texts for segment in documents} >= set(articles())
    assert sum("<|im_end|>" in "".join(documents) for documents in texts) > CASES // 10
    assert len(texts) == CASES
