"""Networks laid out for the programs of model_core/blocks."""
