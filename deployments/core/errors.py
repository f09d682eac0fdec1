"""The one error tree.

    WarmlineError
    ├── InvalidRequest                 400  what the caller sent can't be used
    │   └── PromptTooLong              400  preamble and question leave no room for an answer
    ├── Unauthorized                   401  no key, or an unknown one
    ├── Forbidden                      403  the key may not do this
    ├── NotFound                       404
    │   └── ModelNotFound              404  no agent has the name of this model
    ├── Conflict                       409  not possible in the object's present state
    ├── PayloadTooLarge                413
    ├── UnsupportedMediaType           415
    ├── UnprocessableDocument          422  the document could not be read; nothing was stored
    ├── Overloaded                     429  try again later
    ├── QuotaExceeded                  429  the tenant has used up a quota; try again when it resets
    ├── Unavailable                    503  a part is not ready, or gone
    │   ├── EngineUnavailable
    │   ├── KnowledgeUnavailable
    │   └── CacheUnavailable                never reaches a caller: the request goes on without the cache
    ├── DeadlineExceeded               504
    ├── TokenizerRefused                    start-up: this tokenizer would change texts
    ├── ConfigurationError                  start-up: a setting is wrong
    └── InternalFault                  500  a fault of ours, logged with its cause

Errors cross process borders by pickle, so each takes positional arguments only and keeps them in `args`.
`serve_app.problems` maps the tree to HTTP; a test fails when a class is unmapped.
"""

from __future__ import annotations


class WarmlineError(Exception):
    """Base of all errors that this application raises. `message` is for the caller.

    `param` names the field at fault; None if no field is. `replica` names the engine replica that
    raised the error; None if none did.
    """

    code = "internal_error"

    def __init__(self, message: str, param: str | None = None, replica: str | None = None) -> None:
        super().__init__(message, param, replica)
        self.message = message
        self.param = param
        self.replica = replica

    def __str__(self) -> str:
        return self.message


class InvalidRequest(WarmlineError):
    """What the caller sent cannot be used."""

    code = "invalid_request"


class PromptTooLong(InvalidRequest):
    """Preamble, question and the room for the answer exceed the model's length."""

    code = "prompt_too_long"


class Unauthorized(WarmlineError):
    """No API key, or an unknown one."""

    code = "unauthorized"


class Forbidden(WarmlineError):
    """The API key does not allow this."""

    code = "forbidden"


class NotFound(WarmlineError):
    """The tenant has no object of this name."""

    code = "not_found"


class ModelNotFound(NotFound):
    """No agent has the name that an OpenAI client gave as the model."""

    code = "model_not_found"


class Conflict(WarmlineError):
    """The present state of the addressed object does not allow this."""

    code = "conflict"


class PayloadTooLarge(WarmlineError):
    """The body is larger than the limit."""

    code = "payload_too_large"


class UnsupportedMediaType(WarmlineError):
    """The body's type is not one that can be read."""

    code = "unsupported_media_type"


class UnprocessableDocument(WarmlineError):
    """The document could not be read or holds no text; nothing of it was stored."""

    code = "unprocessable_document"


class Overloaded(WarmlineError):
    """Too many requests at once; try again later. `pending_tokens` wait in the `replica` that
    refused.
    """

    code = "overloaded"

    def __init__(
        self, message: str, param: str | None = None, replica: str | None = None, pending_tokens: int = 0
    ) -> None:
        super().__init__(message, param, replica)
        self.args = (message, param, replica, pending_tokens)
        self.pending_tokens = pending_tokens


class QuotaExceeded(WarmlineError):
    """The tenant has used up a quota, which `param` names. It has some left in `retry_after_s` seconds."""

    code = "quota_exceeded"

    def __init__(
        self, message: str, param: str | None = None, replica: str | None = None, retry_after_s: float = 1.0
    ) -> None:
        super().__init__(message, param, replica)
        self.args = (message, param, replica, retry_after_s)
        self.retry_after_s = retry_after_s


class Unavailable(WarmlineError):
    """A part of the application is not ready, or gone."""

    code = "unavailable"


class EngineUnavailable(Unavailable):
    """No engine replica can take the request."""

    code = "engine_unavailable"


class KnowledgeUnavailable(Unavailable):
    """The knowledge base cannot be reached."""

    code = "knowledge_unavailable"


class CacheUnavailable(Unavailable):
    """The shared token cache cannot be reached; callers go on without it."""

    code = "cache_unavailable"


class DeadlineExceeded(WarmlineError):
    """The request's own deadline passed."""

    code = "deadline_exceeded"


class TokenizerRefused(WarmlineError):
    """Start-up: this tokenizer's ids do not decode to the text that they were made from."""

    code = "tokenizer_refused"


class ConfigurationError(WarmlineError):
    """Start-up: a setting is wrong. The message names it and what is allowed."""

    code = "configuration_error"


class InternalFault(WarmlineError):
    """A fault of ours; its cause is in the log."""

    code = "internal_error"
