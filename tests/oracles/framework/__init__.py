"""Tests of the oracle framework itself."""
