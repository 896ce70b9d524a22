"""The work for a page is linear in its size. It is counted in Python calls, which do not depend on the machine."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.conftest import ROOT
from tests.stages.extraction.counted_calls import PAGES


def test_work_grows_with_the_page_and_not_with_its_square() -> None:
    """Runs in its own process, because the engine changes trafilatura for the whole process."""
    code = "import json; from tests.stages.extraction.counted_calls import calls; print(json.dumps(calls()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found.keys() == PAGES.keys()
    assert {kind: pair for kind, pair in found.items() if pair[1] > 2.3 * pair[0]} == {}
