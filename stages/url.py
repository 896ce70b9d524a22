"""Curation by URL, before anything is extracted: block lists, curated sources, words.

Source: RefinedWeb (Penedo et al. 2023, arXiv 2306.01116, section 3.1 and appendix G.1). Categories, curated sources and
the mechanics of the word tiers are from DataComp-LM's reverse-engineered configuration. The contents of the lists are
ours.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyarrow as pa

from classifiers.kernels.arrays import Bools, Int64s
from stages.assets import Asset
from stages.base import drop_where, stage
from stages.errors import nearest
from stages.kernels.buffers import utf8_views
from stages.urls.blocklist import load_blocklist
from stages.urls.hashing import HashSet
from stages.urls.lookup import host_hashes, listed_hosts
from stages.urls.normalise import MatchForm, match_form
from stages.urls.plain import MatchForms, encode_forms, plain_forms
from stages.urls.words import TIERS, load_tiers, readable
from stages.wordlists import FOLDER, read_list

CATEGORIES = (
    "adult", "phishing", "dating", "gambling", "filehosting", "ddos", "agressif", "chat", "mixed_adult", "arjel",
)  # fmt: skip
REASONS = ("invalid_url", "blocked_domain", "blocked_url", "curated_source", "adult_url")


@stage("url_v1")
class Url:
    """Drops documents by their URL; the first of these facts that holds is the reason.

    `invalid_url`     not http or https, no host, or a host that no browser could look up. No scheme means http.
    `blocked_domain`  the host or a domain above it is in `domains` of a category of `blocklist` (UT1 layout; None = no
                      list). Hosts are compared in lower case and punycode: `example.com` never blocks `notexample.com`.
    `blocked_url`     an entry of the category's `urls` names this page or a path above it, with or without `www.`.
    `curated_source`  the host is, or lies under, a site that corpora take from its own dump (`curated`).
    `adult_url`       words of pornography, paid sex, gambling or potency-pill spam: one strict word (a substring once
                      `-` and `.` are removed), one hard word (whole), or `soft_hits` different soft words (whole).
                      `word_tiers` names the tiers in use, `words` a folder with lists that replace the shipped ones.

    A document without a URL (null) is kept, because nothing is known against it. Needs `url`; changes only `drop`.
    Source: RefinedWeb, arXiv 2306.01116, section 3.1 and appendix G.1; constants from DataComp-LM `refinedweb.yaml`.
    """

    blocklist: Asset | None = None
    categories: tuple[str, ...] = CATEGORIES
    curated: bool = True
    word_tiers: tuple[str, ...] = TIERS
    words: Asset | None = None
    soft_hits: int = 2

    def __post_init__(self) -> None:
        for tier in self.word_tiers:
            if tier not in TIERS:
                raise ValueError(f"word_tiers has no tier {tier!r}: {nearest(tier, TIERS)}")
        if self.soft_hits < 1:
            raise ValueError(
                f"soft_hits must be at least 1, not {self.soft_hits}; to switch the soft tier off, leave it out of "
                "word_tiers"
            )
        if self.blocklist is not None and not self.categories:
            raise ValueError("categories is empty, so blocklist would block nothing; name some, or set no blocklist")

    def __call__(self, docs: pa.Table) -> pa.Table:
        urls = docs.column("url")
        reasons = pa.chunked_array([self._reasons(chunk) for chunk in urls.chunks], pa.string())
        return drop_where(docs, reasons)

    def _reasons(self, urls: pa.Array) -> pa.Array:
        """The reason to drop each URL, or null."""
        offsets, data = utf8_views(urls)
        plain = plain_forms(data, offsets[:-1], offsets[1:], need_scheme=True)
        verdicts = self._verdicts(plain, plain)
        odd = np.flatnonzero((plain.host_ends < 0) & urls.is_valid().to_numpy(zero_copy_only=False))
        parsed = [match_form(url) for url in urls.take(pa.array(odd)).to_pylist()]
        listed, read = encode_forms([_as_listed(p) for p in parsed]), encode_forms([_as_read(p) for p in parsed])
        verdicts[odd] = self._verdicts(listed, read)
        verdicts[odd[[p is None for p in parsed]]] = REASONS.index("invalid_url")
        return pa.array(REASONS, pa.string()).take(pa.array(verdicts, mask=verdicts < 0))

    def _verdicts(self, forms: MatchForms, words: MatchForms) -> Int64s:
        """Per row, the first reason that holds, as its place in REASONS, or -1; rows without a form get -1."""
        found: dict[str, Bools] = {}
        if self.blocklist is not None:
            blocklist = load_blocklist(self.blocklist, self.categories)
            found["blocked_domain"] = blocklist.blocks_host(forms)
            found["blocked_url"] = blocklist.blocks_url(forms)
        if self.curated:
            found["curated_source"] = listed_hosts(curated_sources(), forms)
        if self.word_tiers:
            found["adult_url"] = load_tiers(self.words, self.word_tiers).hits(words, self.soft_hits)
        verdicts = np.full(len(forms.starts), -1, np.int64)
        for reason in reversed(REASONS):
            if reason in found:
                verdicts[found[reason]] = REASONS.index(reason)
        return verdicts


@lru_cache(maxsize=1)
def curated_sources() -> HashSet:
    """The hosts in `curated_sources.txt`."""
    return HashSet.of([host_hashes(encode_forms([(host, "") for host in read_list(FOLDER / "curated_sources.txt")]))])


def _as_listed(form: MatchForm | None) -> tuple[str, str] | None:
    return None if form is None else (form.host, form.rest)


def _as_read(form: MatchForm | None) -> tuple[str, str] | None:
    return None if form is None else (readable(form.readable_host), readable(form.rest))
