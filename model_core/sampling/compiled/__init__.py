"""Drawing with the compiled loop on a CPU: the stage, and its weights in the order in which the loop reads them."""
