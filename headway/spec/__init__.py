"""The user's objects: schema, defaults, units, loading, errors. Pure: text in, values out."""
