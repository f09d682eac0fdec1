"""The table from errors to HTTP is complete, and responses show no internals."""

import logging
from http import HTTPStatus

import pytest
from starlette.exceptions import HTTPException

from deployments.core.errors import (
    ConfigurationError,
    InternalFault,
    InvalidRequest,
    NotFound,
    TokenizerRefused,
    Unauthorized,
    WarmlineError,
)
from serve_app.problems import STATUS, problem, problem_response
from tests.unit.serve_app.fake_services import error_of

DOCUMENTED = {400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503, 504}


def subclasses(kind: type[WarmlineError]) -> set[type[WarmlineError]]:
    below = kind.__subclasses__()
    return set(below).union(*map(subclasses, below))


@pytest.mark.parametrize("kind", sorted(subclasses(WarmlineError), key=str))
def test_every_error_has_its_status(kind):
    """A class missing in the table would raise KeyError while an error is answered."""
    status, body = problem(kind("what went wrong", "field"))
    assert STATUS[kind] == status
    assert status in DOCUMENTED
    assert set(body["error"]) == {"message", "type", "code", "param"}
    if status < 500:
        assert body["error"]["message"] == "what went wrong"
        assert body["error"]["param"] == "field"
        assert body["error"]["code"] == kind.code
        assert body["error"]["type"] == "invalid_request_error"
    else:
        assert body["error"]["type"] == "server_error"


@pytest.mark.parametrize("status", sorted(DOCUMENTED))
def test_every_documented_status_is_used(status):
    """The table and the documentation agree."""
    assert status in STATUS.values()


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("hunter2"),
        KeyError("hunter2"),
        ExceptionGroup("hunter2", [ValueError("hunter2")]),
        InternalFault("hunter2", "hunter2"),
        ConfigurationError("hunter2"),
        TokenizerRefused("hunter2"),
    ],
)
def test_what_is_our_fault_is_logged_and_not_shown(error, caplog):
    """The caller learns that the request was not at fault; the log has the cause."""
    with caplog.at_level(logging.ERROR):
        status, body = problem(error)
    assert status == HTTPStatus.INTERNAL_SERVER_ERROR
    assert body["error"]["code"] == "internal_error"
    assert "hunter2" not in str(body)
    assert "hunter2" in caplog.text
    assert caplog.records[0].exc_info is not None


def test_what_is_the_callers_fault_is_not_logged(caplog):
    """Otherwise any client could fill the log."""
    with caplog.at_level(logging.DEBUG):
        problem(InvalidRequest("no"))
    assert caplog.records == []


@pytest.mark.parametrize(
    ("error", "name"),
    [(Unauthorized("no key"), "www-authenticate"), (WarmlineError.__subclasses__()[0]("x"), None)],
)
def test_headers_that_go_with_a_status(error, name):
    """401 has a header that says how to authenticate; other errors of the caller have none."""
    extra = set(problem_response(error).headers) - {"content-length", "content-type"}
    assert extra == ({name} if name else set())


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (HTTPException(418), 418, "i'm_a_teapot"),
        (HTTPException(500), 500, "internal_error"),
        (HTTPException(503), 503, "unavailable"),
        (NotFound("gone", "doc_id"), 404, "not_found"),
    ],
)
async def test_errors_of_the_framework_have_the_same_body(api, raised, status, code):
    """All errors have the same body, whichever library raised them."""

    async def route():
        raise raised

    api.app.add_api_route("/raise", route)
    response = await api.http.get("/raise")
    assert response.status_code == status
    assert error_of(response)["code"] == code


async def test_an_unexpected_exception_is_answered_and_logged_once(api, caplog):
    """500 without details; the exception is not raised again, so the server does not log it too."""

    async def route():
        raise RuntimeError("hunter2")

    api.app.add_api_route("/raise", route)
    response = await api.http.get("/raise")
    assert response.status_code == 500
    assert error_of(response)["message"] == "an internal error happened; its cause is in the server's log"
    assert "hunter2" not in response.text
    assert len([record for record in caplog.records if record.exc_info]) == 1


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/v1/support/answer", 405, "method_not_allowed"),
        ("DELETE", "/v1/support/answer", 405, "method_not_allowed"),
        ("POST", "/healthz", 405, "method_not_allowed"),
        ("GET", "/redoc", 404, "not_found"),
        ("GET", "/v1/collections/support_kb/documents/a/b", 404, "not_found"),
    ],
)
async def test_what_is_not_there_has_the_same_body(api, method, path, status, code):
    """Unknown paths and methods, the framework's own errors."""
    response = await api.http.request(method, path, follow_redirects=True)
    assert response.status_code == status
    assert error_of(response)["code"] == code
    assert ("allow" in response.headers) == (status == 405)


async def test_head_is_answered_as_any_other_method_that_is_not_there(api):
    """HEAD gets 405."""
    response = await api.http.head("/v1/support/answer")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
