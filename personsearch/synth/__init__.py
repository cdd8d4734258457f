"""A synthetic person-search world: people, cameras and scenes without end, nobody real."""
