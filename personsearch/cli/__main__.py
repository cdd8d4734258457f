"""``python -m personsearch.cli``."""

from personsearch.cli import main

main()
