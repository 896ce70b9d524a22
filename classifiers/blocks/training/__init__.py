"""Training of the model of blocks: annotated pages, labels, folds."""
