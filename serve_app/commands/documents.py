"""`warmline documents`: what a collection has."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from deployments.agents.specs import SUPPORT
from serve_app.commands.over_http import Server, over_http
from serve_app.commands.terminal import clean, counted, table

app = typer.Typer(help="Lists, shows and removes documents of a collection.", no_args_is_help=True)

Collection = Annotated[str, typer.Option(help="The collection.")]
Id = Annotated[str, typer.Argument(help="The document's id.")]


def path_of(collection: str, doc_id: str | None = None) -> str:
    """The path of a collection's documents, or of one of them."""
    from serve_app.client.agent import path_part

    documents = f"/v1/collections/{path_part(collection)}/documents"
    return documents if doc_id is None else f"{documents}/{path_part(doc_id)}"


@app.command("list")
@over_http
async def list_(
    server: Server,
    collection: Collection = SUPPORT.collection,
    limit: Annotated[int, typer.Option(min=1, help="Most documents to list.")] = 100,
) -> None:
    """Lists documents by id."""
    found = await server.pages(path_of(collection), "documents", limit)
    rows = [
        (one["doc_id"], one["title"], one["version"], one["chunks"], _when(one["updated_at_s"]))
        for one in found
    ]
    server.terminal.show(
        {"documents": found},
        lambda console: console.print(table(("id", "title", "version", "chunks", "updated"), rows)),
    )


@app.command()
@over_http
async def show(server: Server, doc_id: Id, collection: Collection = SUPPORT.collection) -> None:
    """Shows a document as Markdown."""
    found = await server.connection.get(path_of(collection, doc_id))
    server.terminal.show(found, lambda console: console.print(clean(found["content"]), soft_wrap=True))


@app.command()
@over_http
async def remove(server: Server, doc_id: Id, collection: Collection = SUPPORT.collection) -> None:
    """Deletes a document. No answer uses it afterwards."""
    removed = await server.connection.request("DELETE", path_of(collection, doc_id))
    server.terminal.say(removed, f"removed {doc_id} and {counted(removed['invalidated'], 'cached segment')}")


def _when(unix_s: float) -> str:
    return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%d %H:%M}"
