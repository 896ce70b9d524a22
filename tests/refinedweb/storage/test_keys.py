"""Names in messages and in run.json hold no password."""

from __future__ import annotations

import pytest

from refinedweb.sources import SourceOptions
from refinedweb.storage.keys import masked

NAMES = {
    "s3://bucket/a b/c.warc.gz": None,
    "folder/what?.jsonl": None,
    "/data/a@b.jsonl": None,
    "https://example.org/a@b/c?d": None,
    "https://example.org/a.gz?X-Amz-Signature=abc&b=1": "https://example.org/a.gz?…",
    "https://me:word@example.org/a.gz": "https://…@example.org/a.gz",
    "https://me:w@rd@example.org": "https://…@example.org",
    "az://me:word@account/a?sig=x": "az://…@account/a?…",
}


@pytest.mark.parametrize(("name", "shown"), NAMES.items())
def test_a_name_is_shown_without_its_secrets(name: str, shown: str | None) -> None:
    assert masked(name) == (shown or name)


def test_what_run_json_would_keep_has_none() -> None:
    SourceOptions(warc_base="s3://commoncrawl")
    for base in ("https://me:word@example.org", "https://example.org/?sig=x"):
        with pytest.raises(ValueError, match="warc_base") as refused:
            SourceOptions(warc_base=base)
        assert "word" not in str(refused.value).replace("password", "")
