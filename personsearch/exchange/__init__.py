"""A gallery out to annotation tools and back into training: scenes with their people, as files that others read."""
