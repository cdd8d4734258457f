"""Images and videos into a gallery: skip what is stored, report what cannot be read, go on with the rest."""
