"""Pictures: untrusted files in (decode.py), what they give to a job (given.py), PNG out (render.py)."""
