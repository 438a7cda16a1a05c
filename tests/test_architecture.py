"""The house stays straight: imports point one way, the core knows no page, the documents list what there is."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cifake_core.settings import Settings

ROOT = Path(__file__).parents[1]
CORE = sorted((ROOT / "cifake_core").rglob("*.py"))
PAGES = sorted((ROOT / "pages").rglob("*.py"))

# Each layer imports those before it in this list, never one after it. docs/architecture.md shows the same table.
LAYERS = ["ground", "metrics", "images", "generators", "detectors", "evaluation", "explanations", "studies", "jobs", "cli"]


def layer_of(module: str) -> str:
    parts = module.split(".")
    first = parts[1] if len(parts) > 1 else "ground"
    first = {"__main__": "cli"}.get(first, first)
    return first if first in LAYERS else "ground"  # errors, settings, store …, and names in cifake_core itself


def imported_modules(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", CORE, ids=module_name)
def test_imports_point_one_way(path):
    own = LAYERS.index(layer_of(module_name(path)))
    for name in imported_modules(path):
        if name.startswith("cifake_core."):
            assert LAYERS.index(layer_of(name)) <= own, f"{module_name(path)} imports {name}, which lies below it"


def test_the_whole_core_imports_with_streamlit_blocked():
    names = [module_name(path) for path in CORE if path.name != "__main__.py"]
    program = "import sys; sys.modules['streamlit'] = None\nimport importlib\n" + "\n".join(
        f"importlib.import_module({name!r})" for name in names
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr[-1500:]


def test_no_page_lies_directly_in_pages_where_it_would_run_without_the_frame():
    assert not list((ROOT / "pages").glob("*.py"))


@pytest.mark.parametrize("path", CORE + PAGES + [ROOT / "app.py"], ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_says_what_it_is_and_none_opens_a_known_hole(path):
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "a module starts with what it knows and does not know"
    for hole in ("unsafe_allow_html", "trust_remote_code=True", "allow_pickle=True", "weights_only=False", "shell=True"):
        assert hole not in text


def test_the_readme_documents_every_setting_and_every_command():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for variable in Settings.variables():
        assert variable in readme
    import typer

    from cifake_core.cli import app

    for command in typer.main.get_command(app).commands:
        assert re.search(rf"python -m cifake_core {command}\b", readme), command


def test_the_map_of_the_code_lists_every_module_and_nothing_else():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `((?:cifake_core|pages)/[^`]+\.py|app\.py)` \|", text, flags=re.M))
    there = {str(path.relative_to(ROOT)) for path in CORE + PAGES + [ROOT / "app.py"] if path.name != "__init__.py"}
    assert there - listed == set(), "not on the map; run python docs/map.py"
    assert listed - there == set(), "on the map, but gone; run python docs/map.py"
