"""Pictures: decoding untrusted files (decode.py), what they give to a job (given.py),
and rendering files (render.py, archive.py)."""
