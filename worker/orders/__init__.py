"""What the worker and its engine say to each other: orders, claims, outcomes, usage. No Redis, no queue, no torch."""
