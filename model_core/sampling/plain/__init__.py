"""Drawing in plain torch operations: the stage, its step, and what each network keeps between steps."""
