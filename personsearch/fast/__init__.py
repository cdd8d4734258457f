"""The fast path of inference: the network of ``personsearch.models``, computed with less work and without waiting."""

from personsearch.fast.compiling import compile_parts
from personsearch.fast.network import FastNetwork
from personsearch.fast.winograd import use_winograd

__all__ = ["FastNetwork", "compile_parts", "use_winograd"]
