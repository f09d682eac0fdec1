"""Finds turn markers of a chat template that are ordinary text.

Text never becomes a control token, so a marker that has one can't be forged. A marker without any, such as
Llama 2's `[/INST]`, is spelt by text: a question or a document that contains it would begin a turn of the
assistant, and its ids would equal those of a real conversation.
"""

from __future__ import annotations

from collections.abc import Iterable

from deployments.core.messages import ChatScaffold


def forgeable_markers(scaffold: ChatScaffold, controls: Iterable[str]) -> tuple[str, ...]:
    """Returns the pieces between two turns that have no control token, each once, without outer blanks.

    `controls` spells the control tokens. Between preamble and question a blank piece is no marker: both
    are in one turn then.
    """
    controls = tuple(controls)
    markers = [scaffold.to_assistant, scaffold.next_user, scaffold.to_generation]
    if scaffold.to_user.strip():
        markers.insert(0, scaffold.to_user)
    forgeable = (marker.strip() for marker in markers if not any(c in marker for c in controls))
    return tuple(dict.fromkeys(forgeable))
