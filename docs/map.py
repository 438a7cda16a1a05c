"""Writes the map of the code at the end of docs/architecture.md: one line a module, its docstring's first sentence.

Command: `python docs/map.py`. A test fails when a module is not on the map.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "architecture.md"
HEADING = "## Map of the code\n"


def first_sentence(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    sentence = " ".join(text.split("\n\n")[0].split())
    return sentence.split(". ")[0].rstrip(".").replace("|", "\\|") + "."


def main() -> None:
    modules = [ROOT / "app.py", *sorted((ROOT / "pages").rglob("*.py")), *sorted((ROOT / "cifake_core").rglob("*.py"))]
    rows = [f"| `{m.relative_to(ROOT)}` | {first_sentence(m)} |" for m in modules if m.name != "__init__.py"]
    head = TARGET.read_text(encoding="utf-8").split(HEADING)[0].rstrip()
    table = "\n".join(["| module | what it knows |", "|---|---|", *rows])
    TARGET.write_text(f"{head}\n\n{HEADING}\n{table}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
