"""Fields of a chat request that agents do not act on: ignored if they ask for nothing, else refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployments.core.errors import InvalidRequest

_NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "add_generation_prompt": (True,),
    "audio": ({},),
    "best_of": (1,),
    "chat_template_kwargs": ({},),
    "continue_final_message": (False,),
    "echo": (False,),
    "function_call": ("none", "auto"),
    "functions": ([],),
    "include_stop_str_in_output": (False,),
    "length_penalty": (1,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "min_tokens": (0,),
    "modalities": (["text"],),
    "parallel_tool_calls": (True, False),
    "priority": (0,),
    "reasoning_effort": ("none", "minimal", "low", "medium"),
    "service_tier": ("auto", "default"),
    "skip_special_tokens": (True,),
    "stop_token_ids": ([],),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "top_logprobs": (0,),
    "use_beam_search": (False,),
    "verbosity": ("medium",),
}
"""Values that change nothing. A field with any other value is refused."""
_LABELS = frozenset(
    {
        "background_tasks",
        "chat_id",
        "features",
        "id",
        "metadata",
        "model_item",
        "parent_id",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "session_id",
        "user",
        "variables",
    }
)
"""Fields with a client's or a gateway's own notes, or hints for speed. They are ignored with any value."""
_TOOLS = (
    "agents answer from documents and call no functions: leave it out, send tool_choice none to have the "
    "tools ignored, or ask for JSON with response_format"
)
_INSTEAD: Mapping[str, str] = {
    "audio": "answers are text: leave it out",
    "function_call": _TOOLS,
    "functions": _TOOLS,
    "logit_bias": "leave it out, or constrain the answer with response_format",
    "logprobs": "probabilities are not reported: leave it out",
    "modalities": 'answers are text: leave it out, or send ["text"]',
    "reasoning_effort": "agents answer without thinking first: leave it out, or send none, low or medium",
    "tool_choice": _TOOLS,
    "tools": _TOOLS,
    "top_logprobs": "probabilities are not reported: leave it out",
    "verbosity": "leave it out, or ask for a length in a message and set max_completion_tokens",
    "web_search_options": "agents answer from their own documents: leave it out",
}
"""Fields that clients know from other servers -> what to do without them."""


def asked_for(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a chat's body that ask for something. Raises InvalidRequest by a field's name."""
    asked = {name: value for name, value in body.items() if not _asks_for_nothing(name, value)}
    if "none" in (body.get("tool_choice"), body.get("function_call")):
        asked.pop("tools", None)
        asked.pop("functions", None)
    for name in asked:
        if name in _INSTEAD:
            raise InvalidRequest(f"{name}: this is not supported; {_INSTEAD[name]}", name)
    return asked


def _asks_for_nothing(name: str, value: object) -> bool:
    return value is None or name in _LABELS or value in _NEUTRAL.get(name, ())
