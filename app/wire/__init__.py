"""Requests and answers as bytes on a connection, whatever they ask: what stands around the application.

http_protocol.py    HTTP/1.1 as uvicorn speaks it        receiving.py       how long a request may take to arrive
middleware.py       id, caller, log line, metrics        cross_origin.py    what browsers are told of other origins
head_requests.py    HEAD wherever GET is                 compression.py     long text compressed
error_handlers.py   every failure as problem+json        stopping.py        the end of open streams and long polls
"""
