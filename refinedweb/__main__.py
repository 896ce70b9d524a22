"""`python -m refinedweb`."""

from refinedweb.cli import main

main()
