"""The web front: it checks what comes in, queues it, and shows what became of it. It draws nothing itself.

Of the worker it knows `worker.contract` only; it never imports torch, numpy or a network.

    main.py        create_app(settings): the composition root        serve.py, cli.py   run it
    store.py       everything said to Redis                          queue_entry.py     the RQ half of an accepted job
    services/      models, submission, jobs, row feed, pictures     imaging/           untrusted files in, PNG out
    routes/        HTTP: thin handlers                               errors.py          one table of problems
"""
