"""Checks of a set, one file per subject, its plots and its contact sheets; :func:`.check.check_dataset` runs the checks."""
