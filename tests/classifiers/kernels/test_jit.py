"""How kernels are compiled: once, whatever constants other kernels call them with, and in how many processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import config

from classifiers.kernels.arrays import Int64s
from classifiers.kernels.jit import kernel
from classifiers.kernels.once import alone
from tests.conftest import ROOT


@kernel
def add(values: Int64s, at: int, twice: bool) -> int:
    return values[at] * (2 if twice else 1)  # type: ignore[no-any-return]


@kernel
def total(values: Int64s) -> int:
    at, found = 0, add(values, 0, True) + add(values, 1, twice=False)
    while at < len(values):
        found += add(values, at, at == 1)
        at += 1
    return found


@pytest.mark.skipif(config.DISABLE_JIT, reason="nothing is compiled")
def test_a_call_with_constants_uses_the_code_for_any_value() -> None:
    values = np.array([1, 10, 100])
    assert total(values) == 2 + 10 + 1 + 20 + 100
    assert len(add.signatures) == 1  # type: ignore[attr-defined]
    assert add(values, 2, True) == 200


MODULE = """
import sys
from classifiers.kernels.jit import kernel

@kernel
def part(value):
    return value + 1

@kernel
def whole(value):
    return part(value) * part(part(value))

print("ready", flush=True)
sys.stdin.readline()
assert whole(2) == 12
print(whole.stats.cache_misses[(whole.signatures[0])] if whole.stats.cache_misses else 0)
"""


@pytest.mark.skipif(config.DISABLE_JIT, reason="nothing is compiled")
def test_of_processes_that_want_a_kernel_one_compiles_it(tmp_path: Path) -> None:
    (tmp_path / "kernels_of_a_test.py").write_text(MODULE)
    settings = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}
    processes = [
        subprocess.Popen(
            [sys.executable, tmp_path / "kernels_of_a_test.py"],
            env=settings, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    for each in processes:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in processes:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    misses = sorted(int(each.communicate()[0]) for each in processes)
    assert misses == [0, 0, 1]
    assert [each.returncode for each in processes] == [0, 0, 0]


def test_a_lock_that_cannot_be_had_costs_nothing_but_work(tmp_path: Path) -> None:
    with alone(tmp_path / "no such folder" / "lock"), alone(tmp_path / "no such folder" / "lock"):
        pass
