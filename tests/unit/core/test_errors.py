"""Errors cross process borders, so every one of them has to survive pickling."""

import pickle

import pytest

from deployments.core.errors import Overloaded, WarmlineError


def subclasses(kind):
    for child in kind.__subclasses__():
        yield child
        yield from subclasses(child)


ALL = [WarmlineError, *subclasses(WarmlineError)]


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("rest", [(), ("query",), (None, "replica")])
def test_every_error_survives_pickling(kind, rest):
    """Class, message, parameter, replica, code and text are the same on the other side."""
    original = kind("what went wrong", *rest)
    copy = pickle.loads(pickle.dumps(original))
    assert type(copy) is kind
    assert (copy.message, copy.param, copy.replica, copy.code, str(copy), copy.args) == (
        original.message,
        original.param,
        original.replica,
        original.code,
        "what went wrong",
        original.args,
    )


@pytest.mark.parametrize("kind", ALL)
def test_every_error_is_documented_and_has_a_code(kind):
    """Callers tell errors apart by code and people by docstring."""
    assert kind.code
    assert kind.__doc__


def test_a_replicas_load_survives_too():
    """It decides where the caller goes next."""
    copy = pickle.loads(pickle.dumps(Overloaded("full", None, "replica", 700)))
    assert (copy.replica, copy.pending_tokens) == ("replica", 700)


def test_codes_tell_classes_apart():
    """No two classes share a code, except our own faults with their base."""
    codes = [kind.code for kind in ALL if kind.code != WarmlineError.code]
    assert len(codes) == len(set(codes))
