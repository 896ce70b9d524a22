"""A run in parts: the split, each part's index, and a whole run from the first part to the last, with a failure."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from jobs.cli import job
from jobs.container.entry import out_of
from jobs.launch import parts, spec
from jobs.watch.chain import load_chain
from jobs.watch.decide import Policy
from jobs.watch.watcher import Watcher, ledger_progress
from refinedweb.sources.inputs import Input
from refinedweb.storage import open_store
from stages.errors import ConfigError
from tests.jobs.launch.sample_job import IMAGE, ROLE
from tests.refinedweb.engine import inline


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=60), st.data())
def test_parts_hold_every_input_once_in_order_and_none_is_empty(sizes: list[int], data: st.DataObject) -> None:
    inputs = [Input(f"s3://in/{n}", "e", size) for n, size in enumerate(sizes)]
    number = data.draw(st.integers(2, len(sizes)))
    groups = parts.split(inputs, number)
    assert [item for group in groups for item in group] == inputs
    assert len(groups) == number
    assert all(groups)
    assert parts.split(inputs, number) == groups


@given(st.integers(2, 30), st.integers(1, 20))
def test_parts_of_even_files_are_even(number: int, each: int) -> None:
    groups = parts.split([Input(f"s3://in/{n}", "e", 7) for n in range(number * each)], number)
    assert {len(group) for group in groups} == {each}


@pytest.mark.parametrize("number", [1, 3, 1001])
def test_a_number_of_parts_that_cannot_be_is_refused(number: int) -> None:
    with pytest.raises(ConfigError, match=r"no more than there are input files \(2\)"):
        parts.split([Input("s3://in/1", "e", 1), Input("s3://in/2", "e", 1)], number)


def test_a_part_takes_all_earlier_ones_as_its_index() -> None:
    told = {spec.PART_INDEX: "1"}
    assert parts.index_words("s3://out/part-000", told) == []
    assert parts.index_words("s3://out/part-002", told) == [
        "--index", "s3://out/part-000", "--index", "s3://out/part-001",
    ]  # fmt: skip
    assert parts.index_words("s3://out/part-002", {}) == parts.index_words("s3://out", told) == []


class Launch:
    """A launch in three parts whose documents repeat across them, on moto's server."""

    def __init__(self, bucket: str, folder: Path) -> None:
        self.home = f"{bucket}/{uuid.uuid4().hex}"
        self.out = f"{self.home}/out"
        self.chain = str(folder / "parts.chain.json")
        for number, texts in enumerate((["a", "b"], ["b", "c"], ["c", "a", "d"])):
            rows = [{"url": f"https://x.com/{number}{text}", "text": text * 20} for text in texts]
            data = "".join(json.dumps(row) + "\n" for row in rows)
            open_store(self.home).put(f"in/{number}.jsonl", data.encode())
        self.sagemaker = boto3.client("sagemaker", region_name="us-east-1")

    def call(self, *more: str) -> Result:
        words = ["launch", "exact_v1", f"{self.home}/in", self.out, "--role", ROLE, "--image", IMAGE, "--region"]
        place = ["us-east-1", "--parts", "3", "--chain", self.chain]
        return CliRunner().invoke(job, [*words, *place, *more], catch_exceptions=False)

    def watch(self, *more: str) -> Result:
        return CliRunner().invoke(job, ["watch", "--chain", self.chain, "--once", *more], standalone_mode=False)

    def work(self, name: str) -> None:
        """What the container of a job does. (The server does not show a job's environment.)"""
        words = self.sagemaker.describe_processing_job(ProcessingJobName=name)["AppSpecification"]["ContainerArguments"]
        out = out_of(words)
        [asked] = [link.request for link in load_chain(self.chain)[1] if name.startswith(link.name)]
        index = parts.index_words(out, asked["Environment"])
        inline.ok(inline.run(words[0], [words[1]], out, index=index[1::2]))  # type: ignore[list-item]

    def jobs(self) -> list[str]:
        """The jobs of this launch that were started."""
        names = [link.name for link in load_chain(self.chain)[1]]
        pages = self.sagemaker.get_paginator("list_processing_jobs").paginate(NameContains="exact-v1-part")
        found = [one["ProcessingJobName"] for page in pages for one in page["ProcessingJobSummaries"]]
        return sorted(name for name in found if any(name.startswith(known) for known in names))


@pytest.fixture
def launch(s3_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Launch:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return Launch(s3_server, tmp_path)


def kept(out: str) -> list[str]:
    import io

    import pyarrow.parquet as pq

    store = open_store(out)
    keys = [info.key for info in store.list("corpus/") if info.key.endswith(".parquet")]
    tables = [pq.read_table(io.BytesIO(store.get(key)[0])) for key in keys]
    return sorted(text[0] for table in tables for text in table["text"].to_pylist())


def test_a_run_of_parts_goes_from_the_first_to_the_last(launch: Launch) -> None:
    dry = launch.call("--dry-run")
    assert "part-000" in dry.output
    assert list(open_store(launch.out).list()) == []
    assert not Path(launch.chain).exists()
    told = launch.call()
    assert "Part 1    launch: the chain begins" in told.output
    assert "[>..] 0 of 3 done" in told.output
    assert f"refinedweb job watch --chain {launch.chain}" in told.output
    names = [link.name for link in load_chain(launch.chain)[1]]
    assert launch.jobs() == [names[0]]
    assert launch.call().exit_code == 0, "the same launch again starts no second job"
    # the first attempt of part 1 ended without doing anything: a second one was launched by the look
    assert launch.jobs() == [names[0], f"{names[0]}-2"]
    launch.work(f"{names[0]}-2")
    assert "done" in launch.watch().output
    assert "[#>.] 1 of 3 done" in launch.watch().stderr
    launch.work(names[1])
    launch.watch()
    launch.watch()
    launch.work(names[2])
    launch.watch()
    last = launch.watch()
    assert "finish" in last.output
    assert "[###] 3 of 3 done" in last.stderr
    assert [kept(f"{launch.out}/part-{n:03d}") for n in range(3)] == [["a", "b"], ["c"], ["d"]]


def test_a_part_that_is_given_up_goes_on_by_hand(launch: Launch) -> None:
    launch.call()
    policy = ("--attempts", "2")
    outcomes = [launch.watch(*policy).return_value for _ in range(3)]
    assert outcomes[-1] == 1, "given up"
    again = launch.watch(*policy)
    assert again.return_value == 1
    assert "with --again" in again.stderr
    assert "x" in again.stderr.split("]")[0]
    told = launch.watch(*policy, "--again")
    assert "launch link 0 attempt 3: started again by hand" in told.output
    launch.work(launch.jobs()[-1])
    assert "done" in launch.watch(*policy).output


def test_the_chain_is_of_this_launch_and_lies_outside_of_the_output(launch: Launch) -> None:
    launch.call()
    text = Path(launch.chain).read_text()
    assert spec.SECRET not in text
    with pytest.raises(ConfigError, match="is the chain of another launch"):
        launch.call("--instances", "2")
    open_store(launch.home).put("in/new.jsonl", b'{"url": "https://x.com/new", "text": "new"}\n')
    launch.call()
    assert Path(launch.chain).read_text() == text, "what came to the input since then is not of this launch"
    launch.chain = f"{launch.out}/chain.json"
    with pytest.raises(ConfigError, match="lies below OUT"):
        launch.call()


def test_progress_of_a_part_is_told(launch: Launch) -> None:
    launch.call()
    home, links = load_chain(launch.chain)
    watcher = Watcher(home, links, jobs=None, policy=Policy())  # type: ignore[arg-type]
    launch.work(links[0].name)
    assert ledger_progress(str(links[0].out)).finished
    assert "of" in watcher.picture()
    assert "tasks" in watcher.picture()


def test_nothing_of_a_launch_is_a_secret(launch: Launch) -> None:
    done: Any = CliRunner().invoke(job, ["launch", "url_v1", "s3://a", "s3://b", "--chain", "x", "--image", IMAGE])
    assert "--chain goes with --parts" in done.output
    with pytest.raises(ConfigError, match="give --secret HF_TOKEN=ARN"):
        launch.call("--env", "HF_TOKEN=swordfish")
