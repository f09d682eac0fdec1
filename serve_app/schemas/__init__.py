"""Bodies of the HTTP API, one module a resource."""

from __future__ import annotations

from serve_app.schemas.answers import (
    AnswerBody,
    AskBody,
    CitationBody,
    ReuseBody,
    SupportAnswer,
    SupportQuestion,
)
from serve_app.schemas.body import (
    Body,
)
from serve_app.schemas.cache import (
    CacheStatsBody,
    ClearedBody,
    ClearRequest,
)
from serve_app.schemas.documents import (
    DocumentBody,
    DocumentLabels,
    DocumentPage,
    DocumentUpload,
    IngestedBody,
)
from serve_app.schemas.errors import (
    ERROR_RESPONSES,
    ErrorBody,
    ErrorDetail,
)

__all__ = [
    "ERROR_RESPONSES",
    "AnswerBody",
    "AskBody",
    "Body",
    "CacheStatsBody",
    "CitationBody",
    "ClearRequest",
    "ClearedBody",
    "DocumentBody",
    "DocumentLabels",
    "DocumentPage",
    "DocumentUpload",
    "ErrorBody",
    "ErrorDetail",
    "IngestedBody",
    "ReuseBody",
    "SupportAnswer",
    "SupportQuestion",
]
