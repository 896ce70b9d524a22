"""Numba kernels straight over Arrow's UTF-8 buffers: one pass, zero copy, a few microseconds a document.

`buffers`    a column as (offsets, bytes)          `jit`        the decorator of kernels, and their cache
`classes`    tables of code points                 `utf8`       decoding
`words`      words and line breaks of a document   `segments`   lines and paragraphs, and which repeat
`ngrams`     word n-grams, and which repeat        `symbols`    hashes, ellipses, bullets
`repetition`, `quality`, `fineweb`                 the entry points, one per stage

Conventions: a document is a read-only view of its UTF-8 bytes; offsets inside it are int32; counts are int64;
characters are code points. Scratch arrays are NamedTuples, allocated once a batch and reused for every document.
Loops take the arrays out of them first: numba counts references at every access to a field of a tuple.
Bytes that are not UTF-8 count as one U+FFFD each and never make a kernel read outside its document.
"""
