"""Corpora of documents that search quality is measured on: the samples, and packages of Debian.

The packages' pages are downloaded, never committed. Each corpus has its own tenant, so that no corpus adds
passages to another one's search.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from deployments.core.documents import DocumentDraft, MediaType
from deployments.core.ids import DocId, TenantId
from deployments.knowledge.samples import SAMPLES

_PYTHON_MODULES = """
    argparse asyncio-exceptions asyncio-queue asyncio-stream asyncio-subprocess asyncio-sync
    asyncio-task atexit base64 bisect calendar collections concurrent.futures contextlib copy csv
    dataclasses datetime decimal difflib enum exceptions filecmp fileinput fnmatch fractions functools
    gc getpass glob graphlib gzip hashlib heapq hmac html.parser http.client http.cookies http.server
    importlib.metadata itertools json locale logging logging.config logging.handlers math mimetypes
    operator os.path pathlib pdb pickle platform pprint profile queue random re sched secrets selectors
    shelve shlex shutil signal smtplib socket socketserver sqlite3 statistics string struct subprocess
    sys tarfile tempfile textwrap threading time timeit tomllib traceback tracemalloc types unicodedata
    unittest unittest.mock urllib.parse uuid venv warnings weakref webbrowser zipapp zipfile zlib
    zoneinfo
""".split()  # noqa: SIM905 -- a line for each would be longer than the rest


@dataclass(frozen=True, slots=True)
class Pages:
    """HTML pages of a Debian package."""

    package: str
    root: str
    """The folder of the pages inside the package."""
    patterns: Sequence[str]
    """Globs below `root`."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """A collection of documents with questions about it."""

    name: str
    """Also the name of its file of questions."""
    agent: str
    """The agent that answers from it."""
    pages: Sequence[Pages] = ()
    """Where its documents come from; () for the agent's samples."""

    @property
    def tenant(self) -> TenantId:
        """The tenant whose collection holds the documents."""
        return TenantId(self.name)

    @property
    def packages(self) -> Iterator[str]:
        """The Debian packages that it needs."""
        return (pages.package for pages in self.pages)


CORPORA = (
    Corpus("support-samples", "support"),
    Corpus("documentation-samples", "documentation"),
    Corpus(
        "python",
        "documentation",
        (
            Pages(
                "python3.11-doc",
                "usr/share/doc/python3.11/html",
                ("tutorial/*.html", "faq/*.html", *(f"library/{name}.html" for name in _PYTHON_MODULES)),
            ),
        ),
    ),
    Corpus(
        "debian-german",
        "documentation",
        (
            Pages("debian-reference-de", "usr/share/debian-reference", ("ch*.de.html",)),
            Pages("maint-guide-de", "usr/share/doc/maint-guide-de/html", ("[!i]*.de.html",)),
        ),
    ),
)


def available(corpora: Sequence[Corpus], folder: Path) -> list[Corpus]:
    """The corpora whose packages can be had; prints why others are left out."""
    found = []
    for corpus in corpora:
        try:
            fetch(list(corpus.packages), folder)
        except RuntimeError as error:
            print(f"  without {corpus.name}: {error}", flush=True)
        else:
            found.append(corpus)
    return found


def fetch(packages: Sequence[str], folder: Path) -> None:
    """Downloads packages with `apt-get` and extracts each to a folder of its name; existing ones stay.

    Nothing is installed. Raises RuntimeError if that does not work.
    """
    for package in packages:
        if not (folder / package).exists():
            _extract(package, folder)


def _extract(package: str, folder: Path) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise RuntimeError(f"{folder} has no folder {package}, and there is no apt-get to download it with")
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder) as scratch:
        _run(["apt-get", "download", package], scratch)
        archive = next(Path(scratch).glob("*.deb"))
        _run(["dpkg-deb", "-x", archive.name, "content"], scratch)
        (Path(scratch) / "content").rename(folder / package)


def _run(command: Sequence[str], folder: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed; give a folder by --docs: {done.stderr.strip()}")


def documents(corpus: Corpus, collection: str, folder: Path) -> Iterator[DocumentDraft]:
    """The documents of a corpus, whose packages are extracted in `folder`."""
    if not corpus.pages:
        for file in sorted((SAMPLES / collection).glob("*.md")):
            yield DocumentDraft(DocId(file.stem), "", None, MediaType.MARKDOWN, file.read_bytes())
    for pages in corpus.pages:
        root = folder / pages.package / pages.root
        for file in sorted({file for pattern in pages.patterns for file in root.glob(pattern)}):
            name = page_id(str(file.relative_to(root)))
            yield DocumentDraft(name, "", None, MediaType.HTML, file.read_bytes())


def page_id(path: str) -> DocId:
    """The document id of a page, whose path may contain slashes."""
    return DocId(path.removesuffix(".html").replace("/", ":"))
