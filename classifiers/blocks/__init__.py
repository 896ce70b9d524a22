"""Main text of web pages by scoring blocks of text: tokenizer, features, trees, training.

Training and use compute features with the same kernels, so the kernels are here, below the stages, together with the
trainer (`python -m classifiers.blocks`); `stages.extraction.blocks` turns the scores into texts.
"""
