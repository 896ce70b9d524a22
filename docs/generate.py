"""Makes the reference from the code: every page of `docs/reference/` is built here from the program itself.

    python docs/generate.py [FOLDER]      # conf.py does this before each build

Nothing below `docs/reference/` is written by hand or kept in the repository. If a column or a field of a record has no
description in `generator/described.py`, the build fails.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from generator.cli_page import cli_page  # noqa: E402
from generator.described import GROUPS  # noqa: E402
from generator.format_pages import columns_page, exit_codes_page, ledger_page, recipes_page  # noqa: E402
from generator.markup import markdown_table  # noqa: E402
from generator.s_curve import s_curve_svg  # noqa: E402
from generator.stage_pages import reasons_page, stage_page, stages_page  # noqa: E402

from refinedweb.recipe.load import load_stages  # noqa: E402
from stages import base  # noqa: E402
from stages.minhash import PRESETS  # noqa: E402


def pages() -> dict[str, str]:
    """Every file of the reference: path below `reference/` → content."""
    load_stages()
    known = base.registry()
    made = {f"stages/{name}.md": stage_page(name, cls) for name, cls in known.items()}
    made["stages/index.md"] = stages_page(known)
    made["reasons.md"] = reasons_page(known)
    made["cli.md"] = cli_page()
    made["recipes.md"] = recipes_page()
    made["columns.md"] = columns_page()
    made["ledger.md"] = ledger_page()
    made["exit-codes.md"] = exit_codes_page()
    made["index.md"] = index_page()
    made["s-curve.svg"] = s_curve_svg(PRESETS)
    return made


def write(folder: Path) -> None:
    """Write the pages below `folder`. Unchanged files keep their times; files that are no longer made are deleted."""
    made = pages()
    for path in sorted(folder.rglob("*.*")):
        if path.is_file() and path.relative_to(folder).as_posix() not in made:
            path.unlink()
    for name, text in made.items():
        target = folder / name
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")


def index_page() -> str:
    """The start of the reference."""
    rows = [[f"[{title}]({path}.md)", text] for path, title, text in GROUPS]
    toc = "\n".join(path for path, _, _ in GROUPS)
    return (
        "# Reference\n\nMade from the code when these pages are built. The [glossary](../glossary.md) defines the "
        "words.\n\n"
        f"{markdown_table(['page', 'what it lists'], rows)}\n\n```{{toctree}}\n:hidden:\n\n{toc}\n```\n"
    )


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "reference")
