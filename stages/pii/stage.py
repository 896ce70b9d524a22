"""Personal data in running text: e-mail addresses, IP addresses and, on request, telephone numbers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifiers.kernels.arrays import Bytes, Int32s, Offsets
from stages.base import set_column, stage
from stages.kernels.buffers import utf8_views
from stages.pii.kernel import ByteSpans, find_emails, mask_spans
from stages.pii.rules import ipv4_spans, ipv6_spans, phone_spans

_EMAIL, _IPV4, _IPV6, _PHONE = range(4)
_COLUMNS = {"pii_emails": (_EMAIL,), "pii_ips": (_IPV4, _IPV6), "pii_phones": (_PHONE,)}


@stage("pii_v1")
class PersonalData:
    """Masks personal data in `text` and counts it; drops nothing.

    Columns (int32, only for what is searched): `pii_emails`, `pii_ips`, `pii_phones` = how many were masked.
    `emails`   replaced by `email`. Letters of Latin, Greek and Cyrillic names belong to an address; Han does not.
    `ips`      dotted quads and IPv6 addresses, replaced by `ipv4` and `ipv6`. With `public_ips_only`, private, reserved
               and documentation addresses stay, because they identify no one. A version such as 1.2.3.4 reads like an
               address; `v1.2.3.4`, `version 1.2.3.4`, `lib-1.2.3.4` and `1.2.3.4.5` can be distinguished from one.
    `phones`   (off, because least certain) `+` or `00` and 8 to 15 digits; North American numbers; numbers with a trunk
               0 and 9 to 11 digits in groups; replaced by `phone`.
    The default masks are values reserved for documentation (RFC 2606, 5737, 3849; 555-01xx), so that a text still reads
    like a text; `email="|||EMAIL_ADDRESS|||"` and the like give the tokens that some corpora use. A mask that is
    already in the text is not counted, so a second pass finds nothing (unless two addresses touched). Disguised
    addresses ("name at example dot org") are not found.
    Source: what FineWeb masks (arXiv 2406.17557: e-mail and public IP addresses); the scans are ours.
    """

    emails: bool = True
    ips: bool = True
    phones: bool = False
    public_ips_only: bool = True
    email: str = "email@example.com"
    ipv4: str = "192.0.2.1"
    ipv6: str = "2001:db8::1"
    phone: str = "555-0100"

    def __post_init__(self) -> None:
        if not (self.emails or self.ips or self.phones):
            raise ValueError("emails, ips and phones are all off, so nothing would be searched; turn one on")

    def __call__(self, docs: pa.Table) -> pa.Table:
        text = docs.column("text")
        parts = [self._masked(chunk) for chunk in text.chunks]
        masked = set_column(docs, "text", pa.chunked_array([part for part, _ in parts], text.type))
        counts = np.concatenate([np.empty((4, 0), np.int32), *(count for _, count in parts)], axis=1)
        for column, kinds in _COLUMNS.items():
            if {"pii_emails": self.emails, "pii_ips": self.ips, "pii_phones": self.phones}[column]:
                masked = set_column(masked, column, pa.array(counts[list(kinds)].sum(axis=0), pa.int32()))
        return masked

    def _masked(self, text: pa.Array) -> tuple[pa.Array, Int32s]:
        """The chunk with its personal data masked, and how many of each kind each row had."""
        offsets, data = utf8_views(text)
        spans, kinds = self._found(data, offsets)
        counts = np.zeros((4, len(text)), np.int32)
        if not len(kinds):
            return text, counts
        masks = pa.array([self.email, self.ipv4, self.ipv6, self.phone], pa.string())
        mask_offsets, mask_data = utf8_views(masks)
        longest = len(data) + int(np.diff(mask_offsets)[kinds].sum())
        out, ends = np.empty(longest, np.uint8), np.zeros(len(offsets), np.int64)
        changed = mask_spans(data, offsets, spans, kinds, mask_data, mask_offsets, out, ends)
        rows = np.searchsorted(offsets, spans.start, side="right") - 1
        np.add.at(counts, (kinds[changed], rows[changed]), 1)
        masked = pa.LargeStringArray.from_buffers(len(text), pa.py_buffer(ends), pa.py_buffer(out[: ends[-1]]))
        return pc.if_else(text.is_valid(), masked, None).cast(text.type), counts

    def _found(self, data: Bytes, offsets: Offsets) -> tuple[ByteSpans, Offsets]:
        """All spans sorted by their start, and the kind of each; of two that start together the first kind leads."""
        found: list[tuple[int, ByteSpans]] = []
        if self.emails:
            found.append((_EMAIL, find_emails(data, offsets)))
        if self.ips:
            found.append((_IPV4, ipv4_spans(data, offsets, self.public_ips_only)))
            found.append((_IPV6, ipv6_spans(data, offsets, self.public_ips_only, self.ipv6)))
        if self.phones:
            found.append((_PHONE, phone_spans(data, offsets)))
        start, end = (np.concatenate([spans[side] for _, spans in found]) for side in (0, 1))
        kinds = np.repeat(*np.array([(kind, len(spans.start)) for kind, spans in found], np.int64).T)
        order = np.lexsort((kinds, start))
        return ByteSpans(start[order], end[order]), kinds[order]
