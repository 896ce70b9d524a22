"""The state of a checkout: what its tag names, and when a launch refuses it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from jobs.launch import image, plan
from stages.errors import ConfigError
from tests.jobs.launch.sample_job import JOB


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"]):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True)
    return tmp_path


def test_a_clean_checkout_is_its_commit(checkout: Path) -> None:
    source = image.source_of(checkout)
    assert not source.dirty
    assert source.tag == source.commit[:12]


def test_a_dirty_checkout_is_refused_and_its_tag_names_its_content(checkout: Path) -> None:
    (checkout / "new.py").write_text("1")
    first = image.source_of(checkout)
    assert first.changed == ("new.py",)
    (checkout / "new.py").write_text("2")
    assert image.source_of(checkout).tag != first.tag
    with pytest.raises(ConfigError, match=r"1 files differ from commit .*new.py.*--allow-dirty"):
        plan.plan(JOB, "refinedweb", first, None, allow_dirty=False)
    tags = plan.plan(JOB, "refinedweb", first, None, allow_dirty=True).job.tags
    assert (tags["refinedweb:commit"], tags["refinedweb:dirty"]) == (first.commit, "1 files")


def test_no_checkout_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a git checkout"):
        image.source_of(tmp_path)
