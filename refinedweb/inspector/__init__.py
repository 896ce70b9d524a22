"""`refinedweb inspect`: a page on this machine to read what a run kept and removed, and to say where it was wrong."""
