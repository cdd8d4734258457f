"""The fast path of inference: the network of ``personsearch.models``, computed with less work and without waiting."""

from personsearch.fast.network import FastNetwork

__all__ = ["FastNetwork"]
