"""Lets the rest of a path be a document's id, with `/`.

A route with a suffix after the id has to come before the one without.
"""

from __future__ import annotations

from starlette.convertors import Convertor, register_url_convertor

DOC_ID = "{identifier:doc_id}"
"""An id in the path of a route, whose function gets it as `identifier`."""


class _DocIdConvertor(Convertor[str]):
    # Starlette's own `path` stops at a line end, so that such an id would get a 404 without the rule.
    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        """The id as it is: the route checks it."""
        return value

    def to_string(self, value: str) -> str:
        """The id in an URL that is made for it."""
        return value


register_url_convertor("doc_id", _DocIdConvertor())
