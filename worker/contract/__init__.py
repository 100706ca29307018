"""The words that the API and the workers share: the one part of `worker` that `app` may import.

Standard library and pydantic only, and structlog in logs.py. What is written to Redis is JSON or raw pixel bytes,
never pickle.

    record.py    what all records have in common: versions that differ read each other's
    environment.py   settings that both read alike
    logs.py      log lines that both write alike
    keys.py      every queue name, key, channel and lifetime
    kinds/       the kinds of job, one file for each
    jobs.py      what a client asked for, and what became of it
    events.py    what a job's stream says
    maps.py      numbers of each variable, such as the bits of a score
    cards.py     what a model is, and which worker holds it
    scripts.py   the life of a job as atomic scripts: submit, claim, append, progress, settle, cancel, release
    submission.py   the checks before the queue: what `submit` is told, and what it answers
    loader.py    Lua files with their includes
    lua/         those scripts, and the books that they keep: what is open, drawn in a second, ended
"""
