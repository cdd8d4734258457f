"""The parts of ``personsearch.train.adapt``: pictures in, ground plane, budget, sets, figures, the finished folder."""
