"""Pictures: untrusted files in (decode.py), what they give to a job (given.py), files out (render.py, archive.py)."""
