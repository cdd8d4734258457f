"""Drives a searcher over an annotated set: the network looks once, then the protocols of ``evaluation`` run."""
