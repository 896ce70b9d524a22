"""`job audit`: samples of a run, judged by people."""
