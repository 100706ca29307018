"""Everything that the API and the workers share: the one part of `worker` that `app`
may import.

It uses the standard library and pydantic, and structlog in logs.py. Redis holds JSON or
raw pixel bytes, never pickles.

    record.py      rules for all records: processes of different versions can read them
    environment.py settings that API and workers read in the same way
    logs.py        log lines that API and workers write in the same way
    keys.py        every queue name, Redis key, channel and lifetime
    kinds/         the kinds of job, one file for each
    jobs.py        the request of a client, and the state of its job
    events.py      the entries of a job's stream
    maps.py        maps: a number for each variable, such as the bits of a score
    cards.py       models, and which worker holds them
    scripts.py     the life of a job as atomic scripts: submit, claim, append, progress,
                   settle, cancel, release
    submission.py  arguments and answers of the script that accepts jobs
    loader.py      reads Lua files and their includes
    lua/           those scripts, and their statistics: open work, speed, ended jobs
"""
