"""Image collections: files a person names, turned into values; and values turned into pictures."""
