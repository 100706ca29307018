"""Requests and responses as bytes on a connection, independent of their content:
everything around the application.

http_protocol.py    HTTP/1.1 as uvicorn speaks it, within limits
receiving.py        how long a request may take to arrive
middleware.py       id, caller, headers of every response, log line, metrics
cross_origin.py     CORS headers for pages of other origins
head_requests.py    HEAD for every GET
compression.py      gzip for long texts
error_handlers.py   each failure as problem+json
stopping.py         ends open streams and long polls when the process stops
"""
