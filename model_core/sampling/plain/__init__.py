"""Drawing in plain torch operations, on any device: the stage, its step, and what each network keeps between steps."""
