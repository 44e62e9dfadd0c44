"""What every training runs on: the loop, its batches, optimisers, losses, checkpoints and log."""
