"""Numba kernels straight over Arrow's UTF-8 buffers: one pass, zero copy, a few microseconds per document.

`buffers`    a column as (offsets, bytes)          `classes`    tables of code points
`words`      words and line breaks of a document   `segments`   lines and paragraphs, and which repeat
`ngrams`     word n-grams, and which repeat        `symbols`    hashes, ellipses, bullets
`repetition`, `quality`, `fineweb`                 the entry points, one per stage

The compiler, the names of array types, UTF-8, hashes and hash tables are in `classifiers.kernels`.

Conventions: a document is a read-only view of its UTF-8 bytes; offsets inside it are int32; counts are int64;
characters are code points. Scratch arrays are NamedTuples that are allocated once per batch and reused for every
document. Loops take the arrays out of them first: numba counts references at every access to a field of a tuple.
Each byte that is not UTF-8 counts as one U+FFFD and never makes a kernel read outside its document.
"""
