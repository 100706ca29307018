"""Parts of which every process of the worker is made: threads, crashes, CPU cores,
Redis clients. They know nothing about jobs."""
