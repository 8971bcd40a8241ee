"""The folder listing is the architecture: layers, owners of the heavy libraries, sizes, and where one may print."""

from __future__ import annotations

import ast
import re
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import dinosearch

CHECKOUT = Path(__file__).parents[1]

# Top to bottom: a module imports from lines below its own only; names on one line do not know each other.
# "dinosearch" is the front of the library, dinosearch/__init__.py.
LAYERS = (
    ("__main__",),
    ("cli",),
    ("server", "client"),
    ("dinosearch",),
    ("evaluation", "analysis", "jobs", "sizing"),
    ("collection",),
    ("retrieval", "engines"),
    ("embedding", "vectors", "store", "images"),
    ("home",),
    ("protocols",),
    ("records", "arguments"),
    ("errors", "lazy", "ahead", "capacity", "timing", "turns"),
    ("advice",),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

# Third-party libraries, each with its owner; anything else may not be imported at all.
OWNERS = {
    "click": "cli",
    "rich": "cli",
    "torch": "embedding",
    "torchvision": "embedding",
    "safetensors": "embedding",
    "openvino": "embedding",
    "onnxruntime": "embedding",
    "faiss": "vectors",
    "sqlalchemy": "store",
    "PIL": "images",
    "pillow_heif": "images",
    "h5py": "evaluation",
    "threadpoolctl": "vectors",
    "fastapi": "server",
    "starlette": "server",
    "uvicorn": "server",
    "pydantic": "server",
    "prometheus_client": "server",
    "python_multipart": "server",
    "httptools": "server",
    "httpx": "server and client",
    "openTSNE": "analysis",
    "sklearn": "analysis",
    "scipy": "analysis",
    "xgboost": "analysis",
    "send2trash": "analysis",
    "ftfy": "embedding",
    "regex": "embedding",
    "psycopg": "engines and store",
    "pymilvus": "engines",
    "milvus_lite": "engines",
    "grpc": "engines",
    "ray": "jobs",
    "pyarrow": "jobs",
    "fsspec": "jobs",
}
FREE = {"numpy", "filelock", "platformdirs"}
ENTRIES = ("dinosearch", "dinosearch.__main__", "dinosearch.client")
MAY_PRINT = {"cli"}
MAY_EXIT = {"cli", "__main__", "server"}  # a worker of the server is a process of its own
LONGEST, MEDIAN = 300, 170  # lines
NAMELESS = {"utils", "util", "helpers", "misc", "common"}


@dataclass(frozen=True)
class Module:
    name: str
    is_package: bool
    lines: int
    tree: ast.Module

    @property
    def part(self) -> str:
        """The name in LAYERS that this module belongs to."""
        return part_of(self.name)


def part_of(module: str) -> str:
    return (module.split(".") + ["dinosearch"])[1] if "." in module else "dinosearch"


def read_package(root: Path) -> dict[str, Module]:
    """Every module under root/dinosearch by its dotted name."""
    modules = {}
    for path in sorted((root / "dinosearch").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        text = path.read_text(encoding="utf-8")
        modules[name] = Module(name, is_package, len(text.splitlines()), ast.parse(text, str(path)))
    return modules


def imports(module: Module, modules: dict[str, Module]) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything a module imports, wherever in it: in functions, for types, by a string."""
    package = module.name if module.is_package else module.name.rpartition(".")[0]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *filter(None, [base])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                if whole != "dinosearch.__version__":  # a constant, free for all
                    yield node.lineno, whole if whole in modules else base
        elif isinstance(node, ast.Call) and called(node) in {"import_module", "__import__"}:
            for text in (arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)):
                yield node.lineno, f"{package}{text}" if text.startswith(".") else text
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # Tables of lazy imports and `python -m` commands name modules by strings.
            named = package + node.value if re.fullmatch(r"(\.\w+)+", node.value) else node.value
            if "." in named and named in modules:
                yield node.lineno, named


def called(node: ast.Call) -> str:
    return ast.unparse(node.func).removeprefix("importlib.")


def wrong_layers(modules: dict[str, Module]) -> Iterator[str]:
    for module in modules.values():
        if module.part not in LEVEL:
            yield f"{module.name}: {module.part} is in no layer"
            continue
        for line, name in imports(module, modules):
            if name.partition(".")[0] != "dinosearch" or part_of(name) == module.part:
                continue
            if name not in modules:
                yield f"{module.name}:{line}: {name} does not exist"
            elif LEVEL.get(part_of(name), -1) <= LEVEL[module.part]:
                yield f"{module.name}:{line}: {module.part} may not import {name}"


def wrong_libraries(modules: dict[str, Module]) -> Iterator[str]:
    for module in modules.values():
        for line, name in imports(module, modules):
            library = name.partition(".")[0]
            if library in FREE | {"dinosearch"} | sys.stdlib_module_names:
                continue
            owners = OWNERS.get(library, "nobody")
            if module.part not in owners.split(" and "):
                yield f"{module.name}:{line}: {library} belongs to {owners}"


def unreachable(modules: dict[str, Module]) -> Iterator[str]:
    waiting, seen = [name for name in ENTRIES if name in modules], set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in modules:
            continue
        seen.add(name)
        waiting += [imported for _, imported in imports(modules[name], modules)]
        waiting.append(name.rpartition(".")[0])
    yield from (f"{name}: nothing imports it" for name in sorted(set(modules) - seen))


def wrong_calls(modules: dict[str, Module]) -> Iterator[str]:
    allowed = {"print": MAY_PRINT, "sys.exit": MAY_EXIT, "exit": MAY_EXIT, "quit": set(), "logging.basicConfig": set()}
    for module in modules.values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and module.part not in allowed.get(
                name := ast.unparse(node.func), {module.part}
            ):
                yield f"{module.name}:{node.lineno}: {name}()"


def wrong_sizes(modules: dict[str, Module]) -> Iterator[str]:
    yield from (f"{m.name}: {m.lines} lines" for m in modules.values() if m.lines > LONGEST)
    if (median := statistics.median(m.lines for m in modules.values())) > MEDIAN:
        yield f"the median file has {median} lines"
    yield from (f"{name}: a name that says nothing" for name in modules if name.rpartition(".")[2] in NAMELESS)


RULES = (wrong_layers, wrong_libraries, unreachable, wrong_calls, wrong_sizes)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_package(rule: Callable[[dict[str, Module]], Iterator[str]]):
    assert list(rule(read_package(CHECKOUT))) == []


def test_every_layer_exists():
    parts = {module.part for module in read_package(CHECKOUT).values()}
    assert set(LEVEL) - parts == set()


# A small package that obeys every rule; each case below breaks one.
SOUND = {
    "__init__.py": "from dinosearch.errors import E\nimport_module('dinosearch.collection')\n",
    "__main__.py": "import sys\nfrom dinosearch.cli import main\nsys.exit(main())\n",
    "cli/__init__.py": "import click\nfrom dinosearch import E, __version__\nprint(1)\n",
    "collection.py": "import os\nfrom dinosearch import vectors, store\nCHILD = 'dinosearch.images.worker'\n",
    "vectors/__init__.py": "import numpy as np\nfrom .file import File\nLAZY = {'exact': '.exact'}\n",
    "vectors/file.py": "def f():\n    import faiss\n",
    "vectors/exact.py": "from dinosearch.vectors import file\nfrom ..errors import E\n",
    "store/__init__.py": "from dinosearch.errors import E\n",
    "images/__init__.py": "",
    "images/worker.py": "from PIL import Image\n",
    "errors.py": "class E(Exception): ...\n",
}
BROKEN = {
    "upwards": ("errors.py", "import dinosearch.store\n", "errors may not import dinosearch.store"),
    "upwards in a function": (
        "errors.py",
        "def f():\n    from . import store\n",
        "errors may not import dinosearch.store",
    ),
    "upwards for types": (
        "store/__init__.py",
        "if TYPE_CHECKING:\n    from dinosearch.collection import C\n",
        "store may not import dinosearch.collection",
    ),
    "the front": ("store/__init__.py", "from dinosearch import E\n", "store may not import dinosearch"),
    "side by side": (
        "store/__init__.py",
        "from ..vectors.file import File\n",
        "store may not import dinosearch.vectors.file",
    ),
    "by a string": (
        "store/__init__.py",
        "importlib.import_module('dinosearch.vectors')\n",
        "store may not import dinosearch.vectors",
    ),
    "in a table": ("store/__init__.py", "T = {'x': 'dinosearch.vectors'}\n", "store may not import dinosearch.vectors"),
    "no such module": ("store/__init__.py", "from dinosearch.gone import x\n", "dinosearch.gone does not exist"),
    "no layer": ("extra.py", "", "extra is in no layer"),
    "owner": ("collection.py", "import torch.nn as nn\n", "torch belongs to embedding"),
    "owner in a function": ("store/__init__.py", "def f():\n    from PIL import Image\n", "PIL belongs to images"),
    "owner by a string": ("store/__init__.py", "__import__('faiss')\n", "faiss belongs to vectors"),
    "unknown library": ("images/__init__.py", "import cv2\n", "cv2 belongs to nobody"),
    "orphan": ("images/orphan.py", "", "dinosearch.images.orphan: nothing imports it"),
    "print": ("store/__init__.py", "def f():\n    print(1)\n", "print()"),
    "exit": ("store/__init__.py", "import sys\nsys.exit(1)\n", "sys.exit()"),
    "logging": ("cli/__init__.py", "import logging\nlogging.basicConfig()\n", "logging.basicConfig()"),
    "long": ("images/__init__.py", "x = 1\n" * 301, "301 lines"),
    "nameless": ("images/utils.py", "", "a name that says nothing"),
}


def write_package(root: Path, files: dict[str, str]) -> dict[str, Module]:
    for name, text in files.items():
        path = root / "dinosearch" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_package(root)


def violations(modules: dict[str, Module]) -> list[str]:
    return [sentence for rule in RULES for sentence in rule(modules)]


def test_sound_package_passes(tmp_path):
    assert violations(write_package(tmp_path, SOUND)) == []


@pytest.mark.parametrize("case", BROKEN)
def test_planted_violation_is_found(tmp_path, case):
    name, added, expected = BROKEN[case]
    found = violations(write_package(tmp_path, {**SOUND, name: SOUND.get(name, "") + added}))
    assert any(expected in sentence for sentence in found), found


def test_long_median_is_found(tmp_path):
    found = violations(write_package(tmp_path, {name: text + "x = 1\n" * 200 for name, text in SOUND.items()}))
    assert any("the median file has" in sentence for sentence in found)


def test_all_is_exact():
    """`__all__` names what the front takes from the package or defines, sorted, and each of them is there."""
    offered = set()
    for node in ast.walk(ast.parse(Path(dinosearch.__file__).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dinosearch"):
            offered |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.ClassDef | ast.FunctionDef) and node.col_offset == 0:
            offered.add(node.name)
    assert {name for name in offered if not name.startswith("_")} | {"__version__"} == set(dinosearch.__all__)
    assert dinosearch.__all__ == sorted(dinosearch.__all__)
    assert [name for name in dinosearch.__all__ if not hasattr(dinosearch, name)] == []
