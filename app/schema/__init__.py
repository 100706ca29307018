"""Requests and answers of the API as models, from which openapi.json is made. This
package knows no route.

    request_bodies.py      bodies of the POSTs
    preference_headers.py  headers that choose the form of an answer
    answers.py             bodies of answers
    results.py             results of jobs
    event_data.py          data of the events of a stream
    openai.py              requests and answers of OpenAI's image API
    examples.py            examples of each
    openapi.py             the schema that is served
"""
