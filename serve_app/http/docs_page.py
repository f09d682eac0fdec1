"""The page at /docs: the OpenAPI description as plain HTML.

FastAPI's own page loads its scripts from another host, which would learn of every visit, and which a
machine without internet can't reach. This page needs no script at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from shlex import quote
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

Schema = Mapping[str, Any]

router = APIRouter(include_in_schema=False)

_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
_STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code, pre { font: 13px/1.5 ui-monospace, monospace }
pre { padding: .8rem; overflow-x: auto; background: #8881; border-radius: 6px }
details { border: 1px solid #8885; border-radius: 6px; margin: .5rem 0; padding: .5rem .8rem }
summary { cursor: pointer } summary b { display: inline-block; min-width: 4.5rem }
table { border-collapse: collapse; margin: .5rem 0 }
td, th { text-align: left; vertical-align: top; padding: .15rem 1rem .15rem 0 }
"""
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "default": "default {}",
}


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Shows the description of this application, with the address it is served at."""
    page = docs_html(request.app.openapi(), str(request.base_url).rstrip("/"))
    return HTMLResponse(page, headers=_HEADERS)


def docs_html(spec: Schema, base_url: str) -> str:
    """An OpenAPI description as one HTML page that loads nothing. `base_url` is for the examples."""
    title = escape(spec["info"]["title"])
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title} API</title>',
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>',
        f"<h1>{title} API</h1><p>{escape(spec['info'].get('description', ''))}</p>",
        '<p>For programs: <a href="/openapi.json">openapi.json</a></p>',
    ]
    tag = None
    for path, method, operation in _operations(spec):
        if operation["tags"][0] != tag:
            tag = operation["tags"][0]
            parts.append(f"<h2>{escape(tag)}</h2>")
        parts.append(_operation(spec, base_url, path, method, operation))
    parts.append("<h2>schemas</h2>")
    schemas = spec.get("components", {}).get("schemas", {})
    parts += [_schema(name, schema) for name, schema in schemas.items()]
    return "\n".join(parts)


def _operations(spec: Schema) -> Iterator[tuple[str, str, Schema]]:
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            yield path, method.upper(), {"tags": ["other"], **operation}


def _operation(spec: Schema, base_url: str, path: str, method: str, operation: Schema) -> str:
    described = escape(operation.get("description", operation.get("summary", "")))
    parts = [f"<details><summary><b>{method}</b> <code>{escape(path)}</code> {described}</summary>"]
    if parameters := operation.get("parameters"):
        rows = (
            _row(p["name"], p["schema"], p.get("required", False), p.get("description", p["in"]))
            for p in parameters
        )
        parts.append(f"<table><tr><th>parameter<th>type<th>{''.join(rows)}</table>")
    body = operation.get("requestBody", {}).get("content", {})
    kinds = (f"<code>{escape(kind)}</code> {_kind(content['schema'])}" for kind, content in body.items())
    if body:
        parts.append(f"<p>Body: {'; '.join(kinds)}</p>")
        parts += [
            _fields(content["schema"]) for content in body.values() if "properties" in content["schema"]
        ]
    parts.append(f"<pre>{escape(_curl(spec, base_url + path, method, operation))}</pre><table>")
    parts += [_response(status, response) for status, response in sorted(operation["responses"].items())]
    return "".join([*parts, "</table></details>"])


def _response(status: str, response: Schema) -> str:
    kinds = (_kind(content["schema"]) for content in response.get("content", {}).values())
    shown = " or ".join(dict.fromkeys(kinds))
    return f"<tr><td>{escape(status)}<td>{escape(response['description'])}<td>{shown}"


_FILES = {"image": "image.png", "file": "guide.md"}
"""Names of files in commands, by the name of the form's field."""


def _curl(spec: Schema, url: str, method: str, operation: Schema) -> str:
    """A command with the first type of body that the operation takes, and all required parameters."""
    needed = {
        p["name"]: p["schema"].get("examples", ["..."])[0]
        for p in operation.get("parameters", [])
        if p["in"] == "query" and p.get("required")
    }
    called = quote(f"{url}?{urlencode(needed)}") if needed else url
    command = f"curl {called}" if method == "GET" else f"curl -X {method} {called}"
    body = operation.get("requestBody", {}).get("content", {})
    if not body:
        return command
    kind, content = next(iter(body.items()))
    schema = _resolved(spec, content["schema"])
    if kind == "multipart/form-data":
        names = schema.get("required") or list(schema.get("properties", {"file": {}}))
        fields = (f"-F {quote(f'{name}=@{_FILES.get(name, name)}')}" for name in names)
        return " \\\n  ".join([command, *fields])
    example = schema.get("examples", [dict.fromkeys(schema.get("required", []), "...")])[0]
    return f"{command} \\\n  -H 'Content-Type: {kind}' \\\n  -d {quote(json.dumps(example))}"


def _schema(name: str, schema: Schema) -> str:
    described = escape(schema.get("description", ""))
    return f'<h3 id="{escape(name)}">{escape(name)}</h3><p>{described}</p>{_fields(schema)}'


def _fields(schema: Schema) -> str:
    required = schema.get("required", [])
    rows = (
        _row(field, part, field in required, part.get("description", ""))
        for field, part in schema.get("properties", {}).items()
    )
    return f"<table>{''.join(rows)}</table>"


def _row(name: str, schema: Schema, required: bool, described: str) -> str:
    notes = [described, "required" if required else ""]
    for part in [schema, *schema.get("anyOf", [])]:
        bounds = ((words, part.get(bound)) for bound, words in _BOUNDS.items())
        notes += [words.format(json.dumps(value)) for words, value in bounds if value is not None]
    shown = escape("; ".join(note for note in notes if note))
    return f"<tr><td><code>{escape(name)}</code><td>{_kind(schema)}<td>{shown}"


def _kind(schema: Schema) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[1])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    if "enum" in schema:
        return escape(" or ".join(map(repr, schema["enum"])))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return escape(schema.get("type", schema.get("title", "anything")))


def _resolved(spec: Schema, schema: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    found: Schema = spec["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return found
