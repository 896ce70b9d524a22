"""The image: what a reviewer would look for, and its steps carried out in a clean folder.

The steps are slow: they install a hundred pinned packages and compile every kernel. They need no container engine; what
only an engine's base image can use (Debian packages, the user) is left out.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from jobs.container.node import ENVIRONMENT
from jobs.launch import image
from jobs.pins import LOCKS, PYTHON, pins
from refinedweb.ledger.version import code_version
from stages.errors import ConfigError
from tests.jobs.launch.dockerfile import is_ignored, options, parse, script

ROOT = image.ROOT
DEPLOY = ROOT / "jobs" / "deploy"
STEPS = parse((ROOT / image.DOCKERFILE).read_text(encoding="utf-8"))
NOT_HERE = ("apt-get", "useradd")


def texts(name: str) -> list[str]:
    return [step.text for step in STEPS if step.name == name]


def version_pins(name: str) -> dict[str, str]:
    return {package: version for package, (version, _) in pins(DEPLOY / name).items()}


def test_it_runs_as_nobody_special_and_its_signals_arrive() -> None:
    assert [step.name for step in STEPS][-2:] == ["USER", "ENTRYPOINT"]
    assert texts("USER")[-1] not in {"root", "0"}
    words = json.loads(texts("ENTRYPOINT")[0])
    assert words == ["tini", "--", "python", "-m", "jobs.container"]


def test_everything_is_pinned_by_its_content() -> None:
    [base] = [text for text in texts("ARG") if text.startswith("PYTHON=")]
    assert re.fullmatch(r"PYTHON=python:3\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64}", base)
    assert base.startswith(f"PYTHON=python:{PYTHON}.")
    assert all(text.split()[0] == "${PYTHON}" for text in texts("FROM"))
    commands = [command for text in texts("RUN") for command in text.split("&&")]
    installs = [command for command in commands if "pip install" in command or "uv build" in command]
    assert all("--require-hashes" in command or "/opt/wheel/" in command for command in installs), "or built before"
    assert len(installs) == 4
    for name in LOCKS:
        assert all(digest is not None for _, digest in pins(DEPLOY / name).values()), name


def test_another_line_of_a_lock_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.lock").write_text("ray==2.60.0\n--extra-index-url x\n")
    with pytest.raises(ConfigError, match=r"a\.lock, line 2: '--extra-index-url x' is not NAME==VERSION"):
        pins(tmp_path / "a.lock")


def test_what_runs_cannot_change_the_code() -> None:
    [copied] = [text for text in texts("COPY") if "--from=build" in text]
    assert "--chown" not in copied
    assert "--chmod" not in copied
    last = len(STEPS) - [step.name for step in reversed(STEPS)].index("FROM")
    variables = " ".join(step.text for step in STEPS[last:] if step.name == "ENV")
    assert "NUMBA_CACHE_DIR" not in variables, "numba would try to write there"
    assert "REFINEDWEB_KERNELS=/opt/refinedweb/kernels" in variables


PLANTED = [
    ".env", ".env.local", "prod.env", "x.env.txt", ".netrc", "netrc", ".aws/credentials", "credentials", "id_rsa",
    "credentials.toml", "my-credentials.txt", "client_secret.txt", "secrets.toml", "id_ed25519", "key.pem", "tls.key",
    "token", "token.txt", "passwords.txt", "gcp.json", ".kube/config", "kubeconfig.yaml", "data.parquet", "a.pyc",
    "__pycache__/a.py", ".pypirc", ".ssh/id_rsa", ".docker/config.json", "core.1234", "notes.ipynb", ".venv/x.py",
    ".git/config",
]  # fmt: skip


@pytest.mark.parametrize(
    "folder", ["", "classifiers/", "stages/extraction/", "refinedweb/cli/", "jobs/", "jobs/deploy/", "new/"]
)
def test_no_secret_gets_into_the_image_wherever_it_lies(folder: str) -> None:
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8")
    assert [name for name in PLANTED if not is_ignored(rules, folder + name)] == []


def test_every_file_of_the_packages_gets_into_the_image() -> None:
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8")
    packages = ["classifiers", "stages", "refinedweb", "jobs"]
    listed = subprocess.run(["git", "ls-files", *packages], cwd=ROOT, capture_output=True, text=True, check=True)
    lost = [name for name in listed.stdout.splitlines() if is_ignored(rules, name)]
    assert [name for name in lost if not name.startswith("jobs/deploy/")] == []
    assert [name for name in LOCKS if is_ignored(rules, f"jobs/deploy/{name}")] == []


def test_the_pins_satisfy_the_project() -> None:
    pinned = version_pins("requirements.lock")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["cluster"]]
    for line in wanted:
        requirement = Requirement(line)
        assert pinned[requirement.name.lower().replace("_", "-")] in requirement.specifier, line
    [backend] = project["build-system"]["requires"]
    assert version_pins("build.lock")["hatchling"] in Requirement(backend).specifier
    assert "fasttext-predict" not in pinned, "it would overwrite the fasttext that trains"


def test_what_is_copied_is_there_and_not_ignored() -> None:
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8")
    for text in texts("COPY"):
        named, words = options(text)
        if "from" not in named:
            for source in words[:-1]:
                assert (ROOT / source).exists(), source
                assert not is_ignored(rules, source), source


def test_a_silent_link_is_noticed_whoever_starts_ray() -> None:
    told = " ".join(texts("ENV"))
    assert [name for name in ENVIRONMENT if "keepalive" in name and f"{name}={ENVIRONMENT[name]}" not in told] == []


def test_ray_is_of_one_version_in_image_and_manifest() -> None:
    manifest = (DEPLOY / "rayjob.yaml").read_text(encoding="utf-8")
    assert f'rayVersion: "{version_pins("requirements.lock")["ray"]}"' in manifest


def test_the_commit_of_an_image_is_in_what_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "refinedweb").mkdir()
    monkeypatch.setattr("refinedweb.ledger.version.__file__", str(tmp_path / "refinedweb" / "ledger" / "version.py"))
    monkeypatch.setenv("REFINEDWEB_COMMIT", "3f2a91c0aa11")
    code_version.cache_clear()
    try:
        assert code_version() == f"{version('refinedweb')}+3f2a91c0aa11"
    finally:
        code_version.cache_clear()


@pytest.mark.slow
def test_its_steps_build_an_installation_that_runs(tmp_path: Path) -> None:
    base, root = tmp_path / "base", tmp_path / "root"
    subprocess.run([sys.executable, "-m", "venv", str(base)], check=True)
    built = tmp_path / "build.sh"
    built.write_text(script(STEPS, ROOT, root, NOT_HERE))
    ours = ("PYTHONPATH", "VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "REFINEDWEB_ADDRESS")
    clean = {name: value for name, value in os.environ.items() if name not in ours}
    clean["PATH"] = f"{base}/bin:/usr/local/bin:/usr/bin:/bin"
    done = subprocess.run(["bash", str(built)], env=clean, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "refinedweb: ready" in done.stdout
    kernels = [*(root / "opt" / "refinedweb" / "kernels").rglob("*.nbc")]
    assert kernels, "kernels are compiled at build"
    # of the last stage, and this user may write to everything: the kernels are used where they are
    variables = [text for text in texts("ENV") if "NUMBA_CACHE_DIR" not in text]
    settings = [f"export {text.replace('/opt/', f'{root}/opt/')}" for text in variables]
    demo = "\n".join([*settings, f"cd {tmp_path}", f"{root}/opt/refinedweb/venv/bin/refinedweb demo out"])
    ran = subprocess.run(["bash", "-ec", demo], env=clean, capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert sorted((root / "opt" / "refinedweb" / "kernels").rglob("*.nbc")) == sorted(kernels), "none is left to do"
