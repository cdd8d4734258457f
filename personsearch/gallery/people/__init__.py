"""Who is whom in a gallery: grouping by likeness, and decisions by hand."""
