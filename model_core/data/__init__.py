"""Image collections: read the files that a person names as values, and write values as
pictures."""
