"""The work of the API, independent of HTTP."""
