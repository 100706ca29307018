"""The web front: it checks what comes in, queues it, and shows what became of it. It draws nothing itself.

Of the worker it knows `worker.contract` only; it never imports torch, numpy or a network.

    main.py      create_app(settings): who gets what          serve.py, cli.py      run it
    routes/      HTTP: what a call takes, one service, the answer
    wire/        around the application: connections, headers, failures
    access/      who is let in
    services/    models, submission, jobs, rows, pictures; no HTTP
    imaging/     untrusted files in, pictures out             webhooks/             a job's end, told to its receiver
    schema/      what is taken, answered and described        openapi_file.py       openapi.json, written
    store.py     everything said to Redis, with the scripts of lua/; entries.py what comes back, queue_entry.py the RQ
                 half of a new job, redis_connections.py
    errors.py    why a request may be refused, as what        problems.py           the document that is answered
    quotas.py    what a caller may still do                   metrics.py            what /metrics counts
    settings.py  what an operator may set                     dependencies.py       what handlers get
    playground/  the page
"""
