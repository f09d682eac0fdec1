"""Reads tables in text files, whichever separator they use."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from deployments.knowledge.document_limits import exceeds
from deployments.knowledge.readers.markdown_table import table_lines
from deployments.knowledge.readers.reading import UnreadableFile

_SEPARATORS = ",;\t|"
_SAMPLE_ROWS = 100
_SAMPLE_CHARS = 100_000
_MAX_COLUMNS = 1000


def csv_markdown(text: str) -> str:
    """A table whose first row is its header. Raises UnreadableFile."""
    text, separator = _separator(text)
    rows = [row for row in _rows(text, separator) if any(cell.strip() for cell in row)]
    columns = max((len(row) for row in rows), default=0)
    if columns > _MAX_COLUMNS:
        raise UnreadableFile(exceeds(f"has more than {_MAX_COLUMNS:,} columns"))
    return "\n".join(table_lines(rows, columns))


def _separator(text: str) -> tuple[str, str]:
    """The text without Excel's own line about the separator; and the separator."""
    first, _, rest = text.partition("\n")
    if first.lower().startswith("sep=") and first.strip()[len("sep=") :] in tuple(_SEPARATORS):
        return rest, first.strip()[-1]
    sample = text[:_SAMPLE_CHARS]
    return text, max(_SEPARATORS, key=lambda separator: _fit(sample, separator))


def _fit(sample: str, separator: str) -> tuple[float, int]:
    """How well a separator divides a sample: the share of rows with the commonest number of cells."""
    sizes = Counter(len(row) for row in islice(_rows(sample, separator), _SAMPLE_ROWS) if row)
    if not sizes:
        return 0.0, 0
    cells, rows = sizes.most_common(1)[0]
    return (rows / sizes.total(), cells) if cells > 1 else (0.0, 0)


def _rows(text: str, separator: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    except csv.Error as error:
        limit = csv.field_size_limit()
        reason = f"one of its cells has more than {limit:,} characters, or its quotes do not match"
        raise UnreadableFile(reason) from error
