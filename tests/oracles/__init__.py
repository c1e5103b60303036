"""Recorded numbers of the official implementations, run case by case."""
