"""Loading tokenizers and chat templates through transformers, from folders made here."""

import json
import logging
from contextlib import suppress

import pytest
from tokenizers import Tokenizer

from deployments.core.errors import ConfigurationError, TokenizerRefused
from deployments.token_cache.bundle import fingerprint, load_bundle
from deployments.token_cache.encoder import BundleEncoder
from tests.unit.token_cache.families import CHATML, gpt2_like, llama3_like

CHATML_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture
def save(tmp_path):
    def save(tokenizer=None, template=CHATML_TEMPLATE, **config):
        (tmp_path / "tokenizer.json").write_text((tokenizer or gpt2_like()).to_str())
        settings = {"tokenizer_class": "PreTrainedTokenizerFast", **config}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
        if template is not None:
            (tmp_path / "chat_template.jinja").write_text(template)
        return str(tmp_path)

    return save


def test_a_bundle_is_all_that_a_replica_needs(save):
    """Scaffold, serialisation, size of the vocabulary, no seam failures."""
    bundle = load_bundle(save())
    tokenizer = gpt2_like()
    assert bundle.scaffold == CHATML
    assert bundle.seam_failures == ()
    assert bundle.vocab_size == tokenizer.get_vocab_size(with_added_tokens=True)
    ids = BundleEncoder(bundle).encode_text("Open the link.").tolist()
    assert ids == tokenizer.encode("Open the link.").ids


def test_seam_failures_come_with_the_bundle_and_are_logged(save, caplog):
    """For every replica that loads the bundle."""
    with caplog.at_level(logging.WARNING):
        bundle = load_bundle(save(llama3_like(False)))
    assert "ends in punctuation" in bundle.seam_failures
    assert "ends in punctuation" in caplog.text


def test_a_saved_truncation_or_padding_is_not_part_of_the_bundle(save):
    """A folder saved after training may carry both."""
    tokenizer = Tokenizer.from_str(gpt2_like().to_str())
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=32)
    spec = json.loads(load_bundle(save(tokenizer)).tokenizer_json)
    assert spec["truncation"] is None
    assert spec["padding"] is None


def test_a_tokenizer_that_loses_text_is_refused(save):
    """At start-up, before anything is stored."""
    with pytest.raises(TokenizerRefused, match="case: words"):
        load_bundle(save(llama3_like(False, "Lowercase")))


def test_a_template_whose_markers_are_text_needs_consent(save):
    """The error names the marker and the setting."""
    folder = save(template=CHATML_TEMPLATE.replace("<|im_start|>", "[start]").replace("<|im_end|>", "[end]"))
    with pytest.raises(ConfigurationError, match=r"\[start\]assistant.*WARMLINE_ALLOW_TEXT_ROLES"):
        load_bundle(folder)
    assert load_bundle(folder, allow_text_roles=True).scaffold.head.startswith("[start]")


def test_a_template_without_a_system_role_is_rendered_without_one(save):
    """transformers' own way to raise in a template."""
    raising = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    assert load_bundle(save(template=raising + CHATML_TEMPLATE)).scaffold.to_user == "\n\n"


@pytest.mark.parametrize(
    "date",
    [
        "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
        "{{ date_string }}",
        "{{ strftime_now('%d %b %Y') }}",
    ],
)
def test_a_template_that_prints_the_date_gets_a_fixed_one_and_says_so(save, caplog, date):
    """The head of all prompts must not change at midnight."""
    with caplog.at_level(logging.WARNING):
        bundle = load_bundle(save(template=f"Today is {date}\n{CHATML_TEMPLATE}"))
    assert bundle.scaffold.head == "Today is 26 Jul 2024\n" + CHATML.head
    assert "date; it is fixed to 2024-07-26" in caplog.text


@pytest.mark.parametrize("template", ["{{ nothing.at.all }}", "{% if %}", "{{ messages | length }}"])
def test_a_template_that_fails_or_shows_no_contents_is_a_configuration_error(save, template):
    """The message names the template, and hides Jinja's traceback."""
    with pytest.raises(ConfigurationError, match="chat template"):
        load_bundle(save(template=template))


def test_a_model_without_a_chat_template_is_a_configuration_error(save):
    """A base model or an embedding model can't chat."""
    with pytest.raises(ConfigurationError, match="no chat template"):
        load_bundle(save(template=None))


def test_a_folder_without_a_tokenizer_is_a_configuration_error(tmp_path):
    """The message names the setting and the folder."""
    with pytest.raises(ConfigurationError, match=f"WARMLINE_MODEL: no tokenizer in {tmp_path}"):
        load_bundle(str(tmp_path))


def test_a_slow_tokenizer_is_a_configuration_error(tmp_path):
    """One in Python, without a tokenizer.json."""
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "CanineTokenizer"}')
    (tmp_path / "config.json").write_text('{"model_type": "canine"}')
    with pytest.raises(ConfigurationError, match="has no fast tokenizer"):
        load_bundle(str(tmp_path))


def test_code_that_comes_with_a_model_is_not_run(save, tmp_path):
    """A tokenizer class of the model's own is either not used or refused."""
    trace = tmp_path / "ran"
    (tmp_path / "evil.py").write_text(f"open({str(trace)!r}, 'w')\nclass Evil: ...\n")
    folder = save(tokenizer_class="Evil", auto_map={"AutoTokenizer": [None, "evil.Evil"]})
    with suppress(ConfigurationError):
        load_bundle(folder)
    assert not trace.exists()


def test_the_fingerprint_covers_tokenizer_and_template_but_not_their_layout():
    """Any difference that could change ids or scaffold is another fingerprint."""
    raw = gpt2_like().to_str()
    same = json.dumps(json.loads(raw), indent=2)
    assert fingerprint(raw, "t") == fingerprint(same, "t")
    others = {fingerprint(raw, "t"), fingerprint(raw, "u")}
    for part in ("pre_tokenizer", "added_tokens", "decoder"):
        others.add(fingerprint(json.dumps(json.loads(raw) | {part: None}), "t"))
    others.add(fingerprint(json.dumps(json.loads(raw) | {"normalizer": {"type": "NFC"}}), "t"))
    spec = json.loads(raw)
    spec["model"]["merges"] = spec["model"]["merges"][:-1]
    others.add(fingerprint(json.dumps(spec), "t"))
    assert len(others) == 7
