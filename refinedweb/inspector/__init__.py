"""`refinedweb inspect`: the inspector, a web interface on this machine. It shows what a run kept and removed, and notes
which decisions a reader found wrong.
"""
