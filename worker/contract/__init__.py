"""The words that the API and the workers share: the one part of `worker` that `app` may import.

Standard library and pydantic only, and structlog in logs.py. What is written to Redis is JSON or raw pixel bytes,
never pickle.

    record.py    what all records have in common: versions that differ read each other's
    environment.py   settings that both read alike
    logs.py      log lines that both write alike
    keys.py      every queue name, key, channel and lifetime
    jobs.py      what a client asked for, and what became of it
    events.py    what a job's stream says
    scores.py    how likely a model finds a picture
    cards.py     what a model is, and which worker holds it
    scripts.py   the job life cycle as atomic Lua: accept, claim, append, settle, cancel
    books.py     what is open, what is drawn in a second, what has ended, kept by those scripts
    submission.py   the gate before the queue, in the same script as the acceptance
"""
