"""The documents of the API, from which openapi.json is made. Knows no route.

request_bodies.py      what the POSTs take                    answers.py             what is answered
preference_headers.py  how an answer may be wanted            rate_limit_headers.py  what a caller may still do
event_data.py          what the events of a stream carry      examples.py            one of each
openapi.py             the schema that is served
job_options.py         a request to draw, once it is read
"""
