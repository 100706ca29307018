"""Values that the worker and its engine process exchange: orders, claims, outcomes,
usage. They use no Redis, no queue and no torch.

A function that makes an order raises JobRefusedError, with the error that the client
will see, if the model or its input does not fit the job.
"""
