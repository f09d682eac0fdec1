"""Tells a document's title from what programs write in its place."""

from __future__ import annotations

import re

from deployments.knowledge.readers.reading import storable

_PLACEHOLDER = re.compile(
    r"""
    untitled(\W?\d+)? | unbenannt(\W?\d+)? | sans\ titre(\W?\d+)? | title | titel | no\ title | null | none
    | \(?(anonymous|unspecified|unknown|unnamed)\)?
    | (word\ )?(document|dokument)\W?\d* | microsoft\ word(\W.*)? | word\ document
    | (power\s?point[\s-])?(presentation|präsentation|présentation)\W?\d* | powerpoint(\W.*)?
    | slide\W?\d* | folie\W?\d* | workbook\W?\d* | mappe\W?\d* | book\W?\d* | excel(\W.*)?
    | (latex|tex)\ (with|output)\b.* | pdflatex.* | print(ed)?\ (job|document).* | about:blank
    | scan\w*[\W\d]*
    | pdf | \W*\d*\W*
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Titles that programs give to all documents."""
_FILE_NAME = re.compile(
    r".*\.(docx?|docm|dotx?|odt|rtf|txt|md|tex|dvi|e?ps|pdf|indd|qxp|qxd|fm|pub|pptx?|potx?|odp|xlsx?|ods|csv"
    r"|html?|xml|pages|key|numbers|png|jpe?g|tiff?|eml|msg)\W*",
    re.IGNORECASE,
)
_PATH = re.compile(r"([A-Za-z]:\\|\\\\|file:|https?:)\S*", re.IGNORECASE)


def stated_title(candidate: object) -> str:
    """A title from a file's metadata without runs of blanks; "" if it only names a file or a program."""
    # In damaged metadata a title may have any type.
    title = " ".join(storable(candidate).split()) if isinstance(candidate, str) else ""
    is_none = any(pattern.fullmatch(title[:500]) for pattern in (_PLACEHOLDER, _FILE_NAME, _PATH))
    return "" if is_none else title
