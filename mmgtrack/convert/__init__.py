"""Foreign checkpoints to ours, one file a system."""
