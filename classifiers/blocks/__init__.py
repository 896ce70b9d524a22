"""Main text of web pages by scoring blocks of text: tokenizer, features, trees, training.

The features that a model is trained on and the ones it is used on are the same kernels, so they stand here, below the
stages, with the trainer (`python -m classifiers.blocks`); `stages.extraction.blocks` makes the texts from the scores.
"""
