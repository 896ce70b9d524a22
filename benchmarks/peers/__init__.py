"""The sides of a benchmark: each is a process, and each peer has its own environment.

All of them answer the same requests over a pipe (`protocol.py`), so that one harness can ask them in turn: A B A B …
"""
