"""Parts of which every process of the worker is made: threads, crashes, processors,
Redis clients. They know nothing about jobs."""
