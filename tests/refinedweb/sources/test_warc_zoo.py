"""243 odd archives from the test suites of other tools: each is read in time, and no record of it is lost.

`INDEX.tsv` in their folder says how many records another reader (warcio) found, and where it gave up.
"""

from __future__ import annotations

import csv
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from refinedweb.sources import SourceReport, open_reader
from stages.errors import ShardError
from tests.refinedweb.sources.archives import read, rows_of

SECONDS = 30  # for one file; the largest are 3.6 MB, or a bzip2 of 512 MB

# Files for which the other reader reported no error and found another number.
OTHER_COUNTS = {
    # A header without its block, at the file's end: the other reader stops before it, ours reports a cut record.
    "openpreserve__jhove/resources/warc/invalid-warcheaderfieldpolicy-11.warc": 1,
    "openpreserve__jhove/resources/warc/invalid-warcheaderfieldpolicy-12.warc": 1,
    "openpreserve__jhove/resources/warc/invalid-warcheaderfieldpolicy-13.warc": 1,
    # Six headers without a length: the other reader takes the rest of the file for the first one's block.
    "openpreserve__jhove/resources/warc/invalid-warcrecord-1.warc": 6,
    # The last header is cut: ours reports damage, the other reader counts a record.
    "toimik__WarcProtocol/Data/Invalid/missing_header_field.warc": 3,
    # Compressions that the other reader does not know.
    "slyrz__warc/testdata/bench.warc.bz2": 23,
    "slyrz__warc/testdata/test.warc.bz2": 10,
}
# If it reported an error, it may have counted the junk that stopped it as a record, or two records as one.
FEWER = {
    "netarchivesuite__jwat/test/resources/invalid-warcfile-fields-empty.warc": 1,
    "netarchivesuite__jwat/test/resources/invalid-warcfile-fields-invalidformat.warc": 1,
    "netarchivesuite__jwat/test/resources/invalid-warcfile-record-then-garbage.warc": 1,
    "oduwsdl__ipwb/samples/warcs/broken.warc": 6,
}


@contextmanager
def within(seconds: int, what: str) -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError(f"{what} took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def index(shared_data: Path) -> list[dict[str, str]]:
    with (shared_data / "warc-zoo" / "INDEX.tsv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@pytest.fixture(scope="module")
def reports(shared_data: Path, index: list[dict[str, str]]) -> dict[str, SourceReport | str]:
    """The result of reading each file: its report, or the message of the refusal."""
    found: dict[str, SourceReport | str] = {}
    for line in index:
        path = shared_data / "warc-zoo" / line["path"]
        with path.open("rb") as file, within(SECONDS, line["path"]):
            reader = open_reader(file, line["path"])
            try:
                rows_of(reader)
                found[line["path"]] = reader.report
            except ShardError as error:
                found[line["path"]] = str(error)
    return found


def test_every_file_is_answered(shared_data: Path, reports: dict[str, SourceReport | str]) -> None:
    on_disk = {str(p.relative_to(shared_data / "warc-zoo")) for p in (shared_data / "warc-zoo").rglob("*.*")}
    assert {path for path in on_disk if path in reports} == reports.keys()
    assert len(reports) >= 200
    refused = {path: answer for path, answer in reports.items() if isinstance(answer, str)}
    assert {path.rpartition(".")[2] for path in refused} == {"wacz"}
    assert all("ZIP" in message and "supported are" in message for message in refused.values())


def test_as_many_records_as_another_reader_finds(
    index: list[dict[str, str]], reports: dict[str, SourceReport | str]
) -> None:
    for line in index:
        path, answer = line["path"], reports[line["path"]]
        if isinstance(answer, str):
            continue
        if not line["warcio_error"]:
            assert answer.records == OTHER_COUNTS.get(path, int(line["records_read"] or -1)), path
        else:
            assert answer.records >= FEWER.get(path, int(line["records_read"])), path


def test_bytes_that_became_no_record_are_reported(reports: dict[str, SourceReport | str]) -> None:
    """Files that were made to hold junk or to be cut have damage; those that are only wrong otherwise do not."""
    damaged = {path for path, answer in reports.items() if isinstance(answer, SourceReport) and answer.damage}
    must = {
        "netarchivesuite__jwat/test/resources/invalid-arcfile-record-then-garbage.arc",
        "netarchivesuite__jwat/test/resources/invalid-warcfile-record-then-garbage.warc",
        "netarchivesuite__solrwayback/resources/compressions_warc/transfer_compression_none_truncated.warc.gz",
        "oduwsdl__ipwb/samples/warcs/broken.warc",
        "webrecorder__warcio/test/data/example-trunc.warc",
        "toimik__WarcProtocol/Data/Invalid/malformed_header.warc",
    }
    assert must <= damaged
    must_not = {path for path in reports if re.search("digest|duplicate|upper-lower", Path(path).name)}
    assert must_not
    assert not must_not & damaged


def test_every_row_can_be_fetched_again(shared_data: Path, index: list[dict[str, str]]) -> None:
    """The bytes at each row's offset and length are a file of that one record, whatever surrounds it."""
    fetched = 0
    for line in index:
        data = (shared_data / "warc-zoo" / line["path"]).read_bytes()
        if line["path"].endswith((".wacz", ".bz2")) or len(data) > 1_000_000:
            continue
        for row in read(data, line["path"])[0]:
            if row["length"] is not None:
                again, _ = read(data[row["offset"] : row["offset"] + row["length"]], line["path"])
                # A record without an id gets one from its place, and a wrong length may be right for the record alone.
                assert [r["url"] for r in again] == [row["url"]], line["path"]
                assert again[0]["html"] == row["html"] or row["drop"] is not None, line["path"]
                fetched += 1
    assert fetched > 800
