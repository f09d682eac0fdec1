"""Cutting chat templates, which are written as Python functions here."""

import pytest

from deployments.core.errors import ConfigurationError
from deployments.token_cache.chat_template import scaffold_of
from tests.unit.token_cache.families import CHATML


def chatml(messages):
    turns = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)
    return f"{turns}<|im_start|>assistant\n"


def trimming(messages):
    return chatml([m | {"content": m["content"].strip()} for m in messages])


def inst(messages):
    """As Llama 2's: the system text is inside the first user turn."""
    system, *rest = messages if messages[0]["role"] == "system" else [None, *messages]
    text = "<s>"
    for number, message in enumerate(rest):
        opening = f"<<SYS>>\n{system['content']}\n<</SYS>>\n\n" if system and number == 0 else ""
        if message["role"] == "user":
            text += f"[INST] {opening}{message['content']} [/INST]"
        else:
            text += f" {message['content']} </s><s>"
    return text


def raising(messages):
    if messages[0]["role"] == "system":
        raise ConfigurationError("System role not supported")
    return gemma(messages)


def gemma(messages):
    """Drops system messages."""
    kept = [m for m in messages if m["role"] != "system"]
    return "<bos>" + chatml(kept).replace("<|im_start|>", "<turn>").replace("<|im_end|>", "</turn>")


def system_last(messages):
    """As Mistral's: the system text is in the last user turn."""
    system = next((m["content"] + "\n\n" for m in messages if m["role"] == "system"), "")
    rest = [m for m in messages if m["role"] != "system"]
    return "<s>" + "".join(
        f"[INST]{system if m is rest[-1] else ''}{m['content']}[/INST]"
        if m["role"] == "user"
        else f"{m['content']}</s>"
        for m in rest
    )


@pytest.mark.parametrize("render", [chatml, trimming])
def test_a_template_is_cut_at_its_contents(render):
    """The five pieces of ChatML, also when the template trims contents."""
    assert scaffold_of(render) == CHATML


@pytest.mark.parametrize("render", [chatml, inst, gemma, raising, system_last])
def test_the_pieces_give_the_template_back(render):
    """Joined around contents, the pieces are the rendered conversation, short and long."""
    cut = scaffold_of(render)
    pair = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Why?"}]
    if cut.to_user == "\n\n":
        pair = [{"role": "user", "content": "Be kind.\n\nWhy?"}]
    more = [{"role": "assistant", "content": "So."}, {"role": "user", "content": "Oh?"}]
    opening = f"{cut.head}Be kind.{cut.to_user}Why?"
    assert render(pair) == opening + cut.to_generation
    assert render(pair + more) == (f"{opening}{cut.to_assistant}So.{cut.next_user}Oh?{cut.to_generation}")


@pytest.mark.parametrize("render", [gemma, raising, system_last])
def test_without_a_system_role_the_preamble_opens_the_first_user_turn(render):
    """For templates that drop the role, raise on it or move it after the history."""
    assert scaffold_of(render).to_user == "\n\n"


def test_a_system_role_within_the_first_user_turn_is_used():
    """Llama 2 has one, although it renders no turn for it."""
    assert scaffold_of(inst).to_user == "\n<</SYS>>\n\n"


def test_a_template_that_renders_by_place_is_refused():
    """If a short and a long conversation start differently, one scaffold cannot render both."""
    with pytest.raises(ConfigurationError, match="by its place"):
        scaffold_of(lambda messages: f"{len(messages)} messages: {chatml(messages)}")


@pytest.mark.parametrize(
    "render",
    [
        lambda messages: "always the same",
        lambda messages: chatml(messages) * 2,
        lambda messages: chatml(messages[-1:]),
        lambda messages: chatml([m | {"content": m["content"].lower()} for m in messages]),
        lambda messages: chatml([m | {"content": list(m["content"])} for m in messages]),
    ],
)
def test_a_template_that_changes_drops_or_repeats_contents_is_refused(render):
    """Each content must be rendered once, unchanged and in order."""
    with pytest.raises(ConfigurationError, match="once, as text and in order"):
        scaffold_of(render)
