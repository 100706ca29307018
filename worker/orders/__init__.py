"""Values that the worker and its engine exchange: orders, claims, outcomes, usage. They
use no Redis, no queue and no torch."""
