"""Ground truth: the annotation files of benchmarks, each in its own layout."""
