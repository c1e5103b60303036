"""Rules: ground truth and results in, numbers out; one file a program."""
