"""Coverage-guided fuzzing of everything that reads foreign bytes: readers, payloads, charsets, pages, URLs, recipes,
model files and shuffle objects.

    python -m benchmarks.fuzz [--minutes 20 | --cases 100000] [--target warc ...] [--keep DIR]

Needs atheris (`uv sync --group fuzz`; wheels for Linux). Each target runs in its own process with an equal share of the
time, starting from the same inputs that `tests/fuzz` damages; those tests are the short form, which always runs. A
finding is an exception other than the one allowed, a broken law, or 30 s or 4 GB for one input. Its input is kept below
DIR (default: a new folder) and named, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.fuzz_targets import seeds, target

TARGETS = ("warc", "arc", "jsonl", "json", "csv", "parquet", "list", "index", "parts", "layouts", "columns", "payload",
           "charset", "trafilatura", "resiliparse", "url", "recipe", "label", "language", "shuffle", "run")  # fmt: skip
LIMITS = ("-timeout=30", "-rss_limit_mb=4096", "-max_len=20000", "-print_final_stats=1")  # seconds, MB, bytes
# Our modules, and those that parse pages in Python; neither what numba compiles nor numba itself.
INSTRUMENTED = ["refinedweb.sources", "refinedweb.select", "refinedweb.dedup.shuffle",
                "refinedweb.recipe.load", "refinedweb.recipe.params",
                "refinedweb.recipe.assets", "refinedweb.ledger", "refinedweb.views", "refinedweb.storage.json_objects",
                "classifiers.fasttext_files", "stages.urls.normalise", "stages.extraction.engines",
                "stages.extraction.formatting", "stages.extraction.images", "stages.extraction.xpath", "trafilatura",
                "justext"]  # fmt: skip

DECORATED = re.compile(r"^@(?:kernel|inlined)\b", re.MULTILINE)


def kernels() -> list[str]:
    """The modules that numba compiles: it does not know what atheris would insert. (`include` above is by the first
    word of a name.)
    """
    root = Path(__file__).parents[1]
    sources = (path for folder in ("classifiers", "stages", "refinedweb") for path in (root / folder).rglob("*.py"))
    compiled = (path.relative_to(root).with_suffix("") for path in sources if DECORATED.search(path.read_text()))
    return [".".join(path.parts) for path in compiled]


def fuzz(name: str, arguments: list[str]) -> None:
    """Run one target in this process, which libFuzzer ends."""
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED, exclude=kernels()):
        attempt = target(name)
    atheris.Setup([name, *arguments], attempt)
    atheris.Fuzz()


def campaign(name: str, folder: Path, limit: str) -> dict[str, Any]:
    """Fuzz one target up to the limit, in a separate process: cases tried, edges covered, inputs found."""
    corpus, found = folder / name / "corpus", folder / name / "found"
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir(exist_ok=True)
    for number, data in enumerate(seeds(name)):
        (corpus / f"seed-{number}").write_bytes(data)
    call = [sys.executable, "-m", "benchmarks.fuzz", "--run", name, str(corpus), limit, *LIMITS]
    with (folder / name / "log").open("wb") as log:
        code = subprocess.run([*call, f"-artifact_prefix={found}/"], stdout=log, stderr=log).returncode
    logged = (folder / name / "log").read_text(errors="replace")
    cases = re.findall(r"number_of_executed_units: (\d+)", logged) or re.findall(r"^#(\d+)", logged, re.M) or ["0"]
    edges = re.findall(r"cov: (\d+)", logged) or ["0"]
    inputs = [str(path) for path in sorted(found.iterdir())]
    return {"target": name, "cases": int(cases[-1]), "edges": int(edges[-1]), "code": code, "found": inputs}


def main() -> None:
    if sys.argv[1:2] == ["--run"]:
        fuzz(sys.argv[2], sys.argv[3:])
        return
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--minutes", type=float, default=20.0, help="total time, shared by the targets")
    options.add_argument("--cases", type=int, help="cases of each target, instead of a time")
    options.add_argument("--target", action="append", choices=TARGETS)
    options.add_argument("--keep", type=Path, help="folder of corpora, logs and findings; reused if it exists")
    given = options.parse_args()
    if importlib.util.find_spec("atheris") is None:
        raise SystemExit("atheris is not installed (uv sync --group fuzz); tests/fuzz needs only hypothesis")
    names = given.target or TARGETS
    limit = f"-max_total_time={int(given.minutes * 60 / len(names))}" if given.cases is None else f"-runs={given.cases}"
    folder = given.keep or Path(tempfile.mkdtemp(prefix="fuzz-"))
    results = []
    for name in names:
        results.append(campaign(name, folder, limit))
        print(json.dumps(results[-1]), flush=True)
    print(json.dumps({"cases": sum(result["cases"] for result in results), "folder": str(folder)}))
    if any(result["found"] or result["code"] for result in results):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
