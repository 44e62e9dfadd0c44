"""What helps a model against degradation: nothing, restorers, feature enhancers, fine-tuning."""
