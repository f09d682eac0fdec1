"""Rules of the architecture that import-linter can't express, checked in any folder."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("serve_app", "deployments")
MAX_LINES = 300
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}
TORCH_CPU_INDEX_HOST = "download." + "pytorch.org"
ONLY_IN = Path("serve_app/setup/bootstrap.py")
REGISTRY_HOSTS = (TORCH_CPU_INDEX_HOST, "pypi." + "org", "files.pythonhosted." + "org")
TEXT_SUFFIXES = {".py", ".toml", ".md", ".yaml", ".yml", ".txt", ".cfg", ".json", ""}


def complaints(root: Path) -> list[str]:
    """The violations in the packages under `root`, each as `file: what is wrong`."""
    return [
        f"{path.relative_to(root)}: {what}"
        for path in _modules(root)
        for what in (*_about_file(path), *_about_imports(path, root), *_about_handlers(path))
    ] + list(_registry_hosts(root))


def _modules(root: Path) -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((root / package).rglob("*.py"))


def _about_file(path: Path) -> Iterator[str]:
    lines = len(path.read_text().splitlines())
    if lines >= MAX_LINES:
        yield f"{lines} lines; is it still one idea? Under {MAX_LINES} are allowed"
    if {path.stem, path.parent.name} & VAGUE_NAMES:
        yield "named for no noun that it defines"


def _about_imports(path: Path, root: Path) -> Iterator[str]:
    if not path.is_relative_to(root / "deployments" / "core"):
        return
    for node in ast.walk(ast.parse(path.read_text())):
        for module in _imported(node):
            top = module.partition(".")[0]
            if top not in sys.stdlib_module_names and not module.startswith("deployments.core"):
                yield f"core imports {module}; it is standard library only"


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return []


def _about_handlers(path: Path) -> Iterator[str]:
    """`except Exception: pass` hides every fault."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ExceptHandler) and _hides_all(node):
            yield f"line {node.lineno}: `except Exception: pass`"


def _hides_all(handler: ast.ExceptHandler) -> bool:
    passes = all(isinstance(statement, ast.Pass) for statement in handler.body)
    return passes and _catches_all(handler.type)


def _catches_all(kind: ast.expr | None) -> bool:
    return kind is None or (isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"})


def _registry_hosts(root: Path) -> Iterator[str]:
    """Packages come from the index that pip is configured for; one fallback, in one file."""
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        hidden = any(part.startswith(".") and part != ".ci" for part in relative.parts)
        if hidden or path.suffix not in TEXT_SUFFIXES or not path.is_file():
            continue
        text = path.read_text(errors="replace")
        for host in REGISTRY_HOSTS:
            if host in text and not (host == TORCH_CPU_INDEX_HOST and relative == ONLY_IN):
                yield f"{relative}: names the package registry {host}"
