"""Our scores beside those of the paper."""
