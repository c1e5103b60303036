"""Text of annotation and result files: what readers of data sets and of results have in common."""
