"""The log of questions, which agents write and erasures delete."""

from __future__ import annotations

from deployments.rag.question_log import QuestionLog
from serve_app.settings import Settings


def question_log(settings: Settings) -> QuestionLog:
    """The log in the state directory of this machine."""
    return QuestionLog(settings.state_dir / "questions")
