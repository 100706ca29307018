"""Pictures: untrusted files in (decode.py), what a completion keeps and fills (given.py), PNG out (render.py)."""
