"""Ground that all kernels share: the compiler, names of array types, UTF-8, hashing, hash tables."""

from classifiers.kernels.warmed import use_warmed

use_warmed()  # before any module of this package imports numba
