"""Numba kernels straight over Arrow's UTF-8 buffers: one pass, zero copy, a few microseconds a document.

`buffers`    a column as (offsets, bytes)          `unicode`   classes of code points, decoding, case folding
`words`      words and line breaks of a document   `segments`  lines and paragraphs, and which repeat
`ngrams`     word n-grams, and which repeat        `repetition`, `quality`, `fineweb`: the entry points, one per stage

Conventions: a document is a read-only view of its UTF-8 bytes; offsets inside it are int32; counts are int64;
characters are code points. Scratch arrays are NamedTuples, allocated once a batch and reused for every document.
Bytes that are not UTF-8 count as one U+FFFD each and never make a kernel read outside its document.
"""
