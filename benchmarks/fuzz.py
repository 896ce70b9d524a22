"""Coverage-guided fuzzing of everything that reads foreign bytes: readers, payloads, charsets, pages, URLs, recipes,
model files and shuffle objects.

    python -m benchmarks.fuzz [--minutes 20 | --cases 100000] [--target warc ...] [--keep DIR]

Needs atheris (`uv sync --group fuzz`; wheels for Linux). Each target runs in its own process with an equal share of the
time, starting from the same inputs that `tests/fuzz` damages; those tests are the short form, which always runs. A
finding is an exception other than the one allowed, a broken law, or 30 s or 4 GB for one input. Its input is kept below
DIR (default: a new folder) and named, and the exit code is 1.
"""

# ruff: noqa: PT017  (most cases raise nothing)

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

TARGETS = ("warc", "arc", "jsonl", "parquet", "payload", "charset", "trafilatura", "resiliparse", "url", "recipe",
           "label", "language", "shuffle", "run")  # fmt: skip
LIMITS = ("-timeout=30", "-rss_limit_mb=4096", "-max_len=20000", "-print_final_stats=1")  # seconds, MB, bytes
# Our modules, and those that parse pages in Python; neither what numba compiles nor numba itself.
INSTRUMENTED = ["refinedweb.sources", "refinedweb.dedup.shuffle", "refinedweb.recipe.load", "refinedweb.recipe.params",
                "refinedweb.recipe.assets", "refinedweb.ledger", "refinedweb.views", "refinedweb.storage.json_objects",
                "classifiers.fasttext_files", "stages.urls.normalise", "stages.extraction.engines",
                "stages.extraction.formatting", "stages.extraction.images", "stages.extraction.xpath", "trafilatura",
                "justext"]  # fmt: skip

DECORATED = re.compile(r"^@(?:kernel|inlined)\b", re.MULTILINE)

Try = Callable[[bytes], None]


def reader(name: str) -> Try:
    """A reader gives rows for which the laws hold, or raises the one error that it may raise."""
    from refinedweb.sources import SourceOptions, open_reader
    from stages.errors import ShardError
    from tests.refinedweb.sources.archives import rows_of

    options = SourceOptions(max_bytes=5_000, batch_rows=7, batch_bytes=9_000)

    def read(data: bytes) -> None:
        try:
            rows_of(open_reader(io.BytesIO(data), f"file.{name}", options))
        except ShardError as error:
            assert f"file.{name}" in str(error)

    return read


def payload() -> Try:
    """Decoding a payload names one of the known faults or none."""
    from refinedweb.sources.payload import decode_payload

    def decode(data: bytes) -> None:
        head, _, body = data.partition(b"\n")
        coding, _, transfer = head.decode("latin-1").partition(";")
        found = decode_payload(body, {"content-encoding": coding, "transfer-encoding": transfer}, 10_000)
        assert found.fault in (None, "cut", "large", "corrupt")

    return decode


def charset() -> Try:
    """Decoding a page gives UTF-8."""
    from refinedweb.sources.charset import decode

    def read(data: bytes) -> None:
        head, _, body = data.partition(b"\n")
        found = decode(body, head.decode("latin-1") or None)
        found.html.decode()
        assert found.garbage >= 0

    return read


def extractor(name: Any) -> Try:
    """Does what the extraction child does with a page, in this process, so that coverage is seen. A library's exception
    is a finding.
    """
    from stages.extraction.engines import ExtractionSettings, Unparsable, engine

    extract = engine(ExtractionSettings(engine=name))

    def page(data: bytes) -> None:
        try:
            text, images = extract(data, "https://example.org/a/b")
        except Unparsable:
            return
        text.encode()
        assert "\n\n\n" not in text
        assert all(url.startswith(("http://", "https://")) for url, _ in images)

    return page


def url() -> Try:
    """Normalising a URL twice changes nothing."""
    from stages.urls.normalise import host_of, match_form, normalise_url

    def address(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        once = normalise_url(text)
        assert once is None or normalise_url(once) == once, once
        host_of(text)
        match_form(text)

    return address


def recipe() -> Try:
    """A recipe, with its assets, loads or is refused with a message, and leaves nothing next to them."""
    from refinedweb.recipe import params
    from refinedweb.recipe.load import load as load_recipe
    from refinedweb.recipe.load import load_stages
    from stages.errors import RefinedWebError

    load_stages()
    folder = Path(tempfile.mkdtemp())
    os.environ["REFINEDWEB_CACHE"] = str(folder / "cache" / "private")
    os.chdir(folder)
    Path("words").mkdir()
    Path("words", "en.txt").write_text("the\nof\n")
    file = Path("any.toml")

    def load(data: bytes) -> None:
        params.parse(data.decode("utf-8", "replace"))
        file.write_bytes(data.replace(b"s3://", b"s4://"))  # there is no network to be waited for
        try:
            load_recipe(str(file))
        except RefinedWebError as error:
            assert str(error)
        assert {path.name for path in folder.iterdir()} <= {"any.toml", "words", "cache"}
        assert [path.name for path in Path("words").iterdir()] == ["en.txt"]

    return load


def run_folder() -> Try:
    """Whatever one file of a run says, each view ends with a message. The first byte chooses the file."""
    from tests.fuzz.run_folders import attempt, made

    folder = Path(tempfile.mkdtemp())
    os.environ["REFINEDWEB_CACHE"] = str(folder / "cache")
    sound = made(folder)
    (folder / "tried").mkdir()

    def look(data: bytes) -> None:
        found = attempt(sound, folder / "tried", data[0] if data else 0, data[1:])
        assert found == [], found

    return look


def model(name: str) -> Try:
    """A model file scores, or is refused by name. With NUMBA_BOUNDSCHECK=1, no kernel reads outside of it."""
    from classifiers.fasttext_files.model_file import UnsupportedModel
    from tests.security import models

    score = {"label": models.score_label, "language": models.score_language}[name]
    file = Path(tempfile.mkdtemp(), "model")

    def load(data: bytes) -> None:
        file.write_bytes(data)
        try:
            score(file)
        except UnsupportedModel as error:
            assert str(error)

    return load


def shuffle_object() -> Try:
    """A piece with a right checksum is a sound table of the schema, or is refused."""
    from refinedweb.dedup.shuffle import Damaged
    from tests.security.test_files import SCHEMA, forged, tables_of

    folder = Path(tempfile.mkdtemp())

    def read(data: bytes) -> None:
        try:
            (found,) = tables_of(folder, forged([(0, 10, data)]))
        except Damaged as error:
            assert str(error)
        else:
            assert found.schema == SCHEMA
            found.to_pylist()

    return read


def target(name: str) -> Try:
    """What a target tries with an input."""
    made: dict[str, Callable[[], Try]] = {"payload": payload, "charset": charset, "url": url, "recipe": recipe}
    made |= {"shuffle": shuffle_object, "run": run_folder}
    if name in ("trafilatura", "resiliparse"):
        return extractor(name)
    if name in ("label", "language"):
        return model(name)
    return made[name]() if name in made else reader(name)


def seeds(name: str) -> list[bytes]:
    """Valid inputs to start from."""
    from refinedweb import sample
    from refinedweb.recipe.load import SHIPPED
    from tests.faults.poison import PAGES
    from tests.fuzz.run_folders import contents
    from tests.fuzz.seeds import ASSETS, SEEDS
    from tests.refinedweb.sources.archives import http
    from tests.security import models
    from tests.security.test_files import piece

    readers = [data for kind, data in SEEDS.items() if kind.startswith(name)]
    pages = [make()[:2000] for make in PAGES.values()]
    found = {
        "payload": [b"gzip;chunked\n3\r\nabc\r\n0\r\n\r\n", b"br;\n\x0b\x02\x80abc\x03", b"deflate, gzip;\nabc"],
        "charset": [b"utf-8\n<p>a\xe2\x82\xac", b"shift_jis\n<meta charset=euc-jp>\xa4\xa2", b"\n\xff\xfea\0", *pages],
        "trafilatura": pages,
        "resiliparse": pages,
        "url": [b"http://u@example.org:80/a/../b?utm_source=x#y", "https://bücher.example/ü".encode(), b"//[::1]/%41"],
        "recipe": [*(path.read_bytes() for path in SHIPPED.glob("*.toml")), *ASSETS],
        "run": contents() if name == "run" else [],
        "label": [models.MODELS[kind][0]() for kind in ("norms", "word n-grams")],
        "language": [models.MODELS[kind][0]() for kind in ("softmax", "tree", "pruned")],
        "shuffle": [piece(Path(tempfile.mkdtemp()))],
    }
    return readers or found.get(name) or [http(), sample.crawl_files()[0].read_bytes()[:5000]]


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
