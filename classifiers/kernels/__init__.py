"""Ground that all kernels share: the compiler, names of array types, UTF-8, hashing, hash tables."""
