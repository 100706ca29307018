"""Words between the worker and its engine: orders, claims, outcomes, usage. No Redis, no queue, no torch."""
