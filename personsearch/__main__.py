"""``python -m personsearch``."""

from personsearch.cli import main

main()
