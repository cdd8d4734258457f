"""Checks of a set, one file per subject, and its plots and contact sheets; :mod:`.check` runs all checks."""
