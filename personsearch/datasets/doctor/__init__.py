"""What can be wrong with a set, a file per subject; :mod:`personsearch.datasets.check` asks them all."""
