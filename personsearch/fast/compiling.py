"""The dense parts compiled by torch.compile: for one shape at a time, announced, and never again without saying so."""
from personsearch.fast.parts import Parts


def compile_parts(parts: Parts) -> None:
    """Compile."""
