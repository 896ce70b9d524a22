"""Cores and memory are those of the container: the smallest limit of affinity, group and groups above counts."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refinedweb.doctor import Check, check_machine
from refinedweb.engine import machine
from refinedweb.forecast.machines import machine as machine_of
from tests.conftest import ROOT

HOST_CORES, HOST_MEMORY = 64, 256 << 30
V2 = "30 25 0:26 {root} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "32 31 0:29 {root} /sys/fs/cgroup/{name} rw,relatime - cgroup cgroup rw,{name}\n"
NO_LIMIT = 9223372036854771712  # what version 1 says


@pytest.fixture(autouse=True)
def big_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_affine_cores", lambda: HOST_CORES)
    monkeypatch.setattr(machine, "_physical_memory", lambda: HOST_MEMORY)


def host(root: Path, cgroup: str, mounts: str, files: dict[str, str]) -> Path:
    """A made-up /proc/self and /sys/fs/cgroup."""
    own = root / "proc/self"
    own.mkdir(parents=True, exist_ok=True)
    (own / "cgroup").write_text(cgroup)
    (own / "mountinfo").write_text("22 27 0:21 / /proc rw,relatime - proc proc rw\n" + mounts)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def v1(root: str) -> str:
    return V1.format(root=root, name="cpu,cpuacct") + V1.format(root=root, name="memory")


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("max 100000", 64), ("100000 100000", 1), ("150000 100000", 2), ("140000 100000", 1), ("20000 100000", 1),
     ("9900000 100000", 64), ("", 64), ("nonsense", 64), ("100000 0", 64), ("0 100000", 1)],
)  # fmt: skip
def test_a_quota_is_rounded_to_whole_cores(tmp_path: Path, quota: str, expected: int) -> None:
    root = host(tmp_path, "0::/\n", V2.format(root="/"), {"cpu.max": quota})
    assert machine.cores(root) == expected


def test_a_container_of_version_1_has_the_hosts_path_of_its_group(tmp_path: Path) -> None:
    own = "4:memory:/docker/ab\n1:cpu,cpuacct:/docker/ab\n0::/\n"
    quota = {"cpu,cpuacct/cpu.cfs_quota_us": "300000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}
    files = quota | {"memory/memory.limit_in_bytes": str(8 << 30)}
    for mounts in (v1("/docker/ab"), v1("/another/view")):
        root = host(tmp_path, own, mounts, files)
        assert (machine.cores(root), machine.memory(root)) == (3, 8 << 30)


def test_no_limit_of_version_1_is_none(tmp_path: Path) -> None:
    files = {"cpu,cpuacct/cpu.cfs_quota_us": "-1", "cpu,cpuacct/cpu.cfs_period_us": "100000"}
    files |= {"memory/memory.limit_in_bytes": str(NO_LIMIT)}
    root = host(tmp_path, "4:memory:/\n1:cpu,cpuacct:/\n", v1("/"), files)
    assert (machine.cores(root), machine.memory(root)) == (HOST_CORES, HOST_MEMORY)


def test_a_machine_without_groups_has_what_it_has(tmp_path: Path) -> None:
    assert (machine.cores(tmp_path), machine.memory(tmp_path)) == (HOST_CORES, HOST_MEMORY)


def test_a_soft_limit_counts(tmp_path: Path) -> None:
    root = host(tmp_path, "0::/a b\n", V2.format(root="/"), {"a b/memory.max": "max", "a b/memory.high": str(1 << 30)})
    assert machine.memory(root) == 1 << 30


LIMITS = st.lists(st.none() | st.integers(1, 80), min_size=1, max_size=4)


@given(cpus=LIMITS, gibs=LIMITS)
def test_the_smallest_limit_of_all_groups_counts(
    tmp_path_factory: pytest.TempPathFactory, cpus: list[int | None], gibs: list[int | None]
) -> None:
    files = {}
    for depth, cpu in enumerate(cpus):
        files["x/" * depth + "cpu.max"] = "max 100000" if cpu is None else f"{cpu * 100000} 100000"
    for depth, gib in enumerate(gibs):
        files["x/" * depth + "memory.max"] = "max" if gib is None else str(gib << 30)
    deep = max(len(cpus), len(gibs)) - 1
    root = host(tmp_path_factory.mktemp("host"), f"0::/{'x/' * deep}".rstrip("/") + "\n", V2.format(root="/"), files)
    assert machine.cores(root) == min([HOST_CORES, *(n for n in cpus if n is not None)])
    assert machine.memory(root) == min([HOST_MEMORY, *(n << 30 for n in gibs if n is not None)])


def test_a_forecast_for_this_machine_asks_for_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refinedweb.forecast.machines.own_cores", lambda: 3)
    assert machine_of("local").cores == 3


@pytest.mark.skipif(shutil.which("taskset") is None, reason="needs taskset (util-linux)")
def test_affinity_counts() -> None:
    call = "from refinedweb.engine.machine import cores; print(cores())"
    done = subprocess.run(
        ["taskset", "-c", "0", sys.executable, "-c", call], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1"


def checked(name: str) -> Check:
    return next(check for check in check_machine() if check.name == name)


def test_doctor_counts_the_memory_of_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "memory", lambda: 4 << 30)
    monkeypatch.setattr(machine, "cores", lambda: 4)
    found = checked("memory per core")
    assert (found.fit, found.found) == (False, "1.0 GiB × 4")


def test_doctor_names_what_to_set_where_rays_paths_are_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    assert checked("Ray's socket paths").fit
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    monkeypatch.setenv("RAY_TMPDIR", str(deep))
    found = checked("Ray's socket paths")
    assert not found.fit
    assert "RAY_TMPDIR" in found.advice
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / "none"))
    assert not checked("free disk for Ray").fit


def test_doctor_sees_the_shared_memory_that_docker_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "shared_memory", lambda: 64 << 20)
    found = checked("shared memory for Ray")
    assert (found.fit, found.found) == (False, "64 MiB in /dev/shm")
