"""The sides of a benchmark, each in a process of its own, peers in environments of their own.

All answer the same requests over a pipe (`protocol.py`), so that one harness can ask them in turn: A B A B …
"""
