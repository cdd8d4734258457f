"""What can be wrong with a set, a file per subject; :mod:`personsearch.datasets.doctor.check` asks them all."""
