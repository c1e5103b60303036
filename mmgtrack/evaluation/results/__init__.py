"""Results: the files that trackers leave, ours and those of others."""
