"""The web front: it checks what comes in, queues it, and shows what became of it. It draws nothing itself.

Of the worker it knows `worker.contract` only; it never imports torch, numpy or a network.

    main.py            create_app(settings): who gets what               serve.py, cli.py   run it
    routes/            HTTP: what a call takes, one service, the answer  request_bodies.py  what the POSTs take
    services/          models, submission, jobs, rows, pictures; no HTTP schemas.py         what is answered
    imaging/           untrusted files in, pictures out                  openapi.py         the schema that is served
    store.py           everything said to Redis                          queue_entry.py     the RQ half of a new job
    errors.py          why a request may be refused                      problems.py        what that is called in HTTP
    middleware.py      around every request: id, log line, metrics       gatekeeper.py      who is let in
    cross_origin.py    what browsers are told of other origins           quotas.py          what a caller may still do
    head_requests.py   HEAD wherever GET is                              packing.py         long text compressed
    page_files.py      the page's files, typed, tagged, compressed       reference.py       GET /docs
"""
