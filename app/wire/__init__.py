"""Requests and responses as bytes on a connection, independent of their content:
everything around the application.

receiving.py        HTTP/1.1 within limits of size, number and time
middleware.py       id, caller, headers of every response, HEAD, log line, metrics
cross_origin.py     CORS headers for pages of other origins
compression.py      gzip for long texts
large_responses.py  limits the memory of large responses whose readers are slow
error_handlers.py   each failure as problem+json
stopping.py         ends open streams and long polls when the process stops
"""
