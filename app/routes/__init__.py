"""HTTP: each handler checks its request, calls a service and answers."""
