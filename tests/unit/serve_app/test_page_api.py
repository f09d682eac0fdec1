"""The web page: how its files are sent, and that it loads them and nothing else."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin

import pytest

from serve_app.http.page import FOLDER, INDEX, MEDIA_TYPES, files
from tests.unit.serve_app.fake_services import Api

MAX_BYTES = 130_000
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
IMPORT = re.compile(r"""(?:from|import)\s*\(?\s*"(\.[^"]+)\"""")
STATIC_IMPORT = re.compile(r"""^(?:import|.* from) "(\.[^"]+)\"""", re.MULTILINE)
ADDRESS = re.compile(r"(?:https?:)?//[a-z0-9-]+\.[a-z]", re.IGNORECASE)
MADE_FROM_TEXT = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser"
)
SCRIPTS = sorted(name for name in files() if name.endswith(".js"))


class Tags(HTMLParser):
    """Collects the tags with their attributes, and the text within scripts and styles."""

    def __init__(self):
        super().__init__()
        self.tags = []
        self.inside = []
        self._open = None

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data):
        if self._open in {"script", "style"} and data.strip():
            self.inside.append(data)


@pytest.fixture
def index():
    """The tags of index.html."""
    tags = Tags()
    tags.feed((FOLDER / INDEX).read_text())
    return tags


async def test_the_page_is_sent_with_its_policy(api):
    """A browser runs and loads only what this server sends, and asks again whether it has changed."""
    response = await api.http.get("/")
    assert response.status_code == 200
    assert response.content == (FOLDER / INDEX).read_bytes()
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-security-policy"] == CSP
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", sorted(set(files()) - {INDEX}))
async def test_each_file_has_its_type_and_the_same_policy(api, name):
    """Types are exact, since the browser is told not to guess."""
    response = await api.http.get(f"/page/{name}")
    assert response.status_code == 200
    assert response.content == (FOLDER / name).read_bytes()
    assert response.headers["content-type"] == MEDIA_TYPES[f".{name.rpartition('.')[2]}"]
    assert response.headers["content-security-policy"] == CSP
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/page/js/main.js"])
async def test_an_unchanged_file_is_not_sent_again(api, path):
    """With the ETag of what the browser has, also where a proxy made it a weak one."""
    tag = (await api.http.get(path)).headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}'):
        response = await api.http.get(path, headers={"If-None-Match": known})
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == tag
    assert (await api.http.get(path, headers={"If-None-Match": '"other"'})).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "../http/page.py",
        "..%2Fhttp%2Fpage.py",
        "js/..%2F..%2Fauth.py",
        "%2e%2e/auth.py",
        "..%5Cauth.py",
        "%2Fetc%2Fpasswd",
        "/etc/passwd",
        "js/main.js%00.html",
        "js",
        "js/",
        "index.html",
        "",
    ],
)
async def test_nothing_else_is_sent(api, path):
    """No path leads out of the folder, and folders have no list."""
    assert (await api.http.get(f"/page/{path}")).status_code == 404


async def test_keys_are_not_needed_to_see_the_page():
    """It is where the key is entered."""
    api = Api(api_keys="acme-key-0123456789=acme")
    assert (await api.http.get("/")).status_code == 200
    assert (await api.http.get("/page/js/main.js")).status_code == 200
    assert (await api.http.get("/v1/models")).status_code == 401


def test_the_page_has_only_files_that_are_sent():
    """Each file's type is known."""
    there = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()}
    assert there == set(files())


def test_index_names_only_files_that_exist(index):
    """Its addresses are relative, so that the page also works below a prefix."""
    named = [attrs.get("src") or attrs.get("href") for _, attrs in index.tags]
    loaded = {name for name in named if name and name.startswith("page/")}
    assert {name.removeprefix("page/") for name in loaded} <= set(files())
    assert set(filter(None, named)) - loaded == {"#main", "docs"}


@pytest.mark.parametrize("name", SCRIPTS)
def test_imports_name_files_that_exist(name):
    """Of modules that load at once or later."""
    for imported in IMPORT.findall((FOLDER / name).read_text()):
        assert urljoin(name, imported) in files(), imported


def test_modules_of_the_first_view_load_at_once(index):
    """Index names all that `main.js` imports, so that a browser need not find them one after the other."""
    needed, todo = set(), ["js/main.js"]
    while todo:
        name = todo.pop()
        static = STATIC_IMPORT.findall((FOLDER / name).read_text())
        todo += [found for each in static if (found := urljoin(name, each)) not in needed]
        needed |= {urljoin(name, each) for each in static}
    named = [attrs["href"] for _, attrs in index.tags if attrs.get("rel") == "modulepreload"]
    assert sorted(named) == sorted(f"page/{name}" for name in needed)


def test_every_file_is_used(index):
    """Index, or a module that it loads, names each file."""
    used = {INDEX}
    todo = [(attrs.get("src") or attrs.get("href") or "").removeprefix("page/") for _, attrs in index.tags]
    while todo:
        name = todo.pop()
        if name in files() and name not in used:
            used.add(name)
            if name.endswith(".js"):
                todo += [urljoin(name, imported) for imported in IMPORT.findall((FOLDER / name).read_text())]
    assert used == set(files())


def test_index_has_no_inline_script_or_style(index):
    """The policy would not let the browser run them."""
    assert index.inside == []
    for _, attrs in index.tags:
        assert not [name for name in attrs if name == "style" or name.startswith("on")]


@pytest.mark.parametrize("name", sorted(files()))
def test_no_file_names_another_host(name):
    """Nothing is loaded from elsewhere, and nothing sent there; XML's namespaces are names."""
    text = (FOLDER / name).read_text().replace("http://www.w3.org/2000/svg", "")
    assert not ADDRESS.search(text)


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_makes_markup_of_text(name):
    """Texts of models and documents only become text nodes."""
    text = (FOLDER / name).read_text()
    assert not MADE_FROM_TEXT.search(text)
    assert 'setAttribute("style"' not in text


def test_the_page_is_small():
    """All files together, as they are sent without compression."""
    assert sum(len(file.content) for file in files().values()) < MAX_BYTES
