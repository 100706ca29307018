"""Parts that any process of ours is made of: its threads, its end, processors, connections. Knows no jobs."""
