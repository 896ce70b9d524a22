"""fastText's model files, read into arrays and scored by our own kernels."""
