"""The work of the API, without HTTP."""
