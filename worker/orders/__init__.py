"""Values that the worker and its engine process exchange: orders, claims, outcomes, usage. They
use no Redis, no queue and no torch."""
