"""Tests of the operators and of the stand-in for the compiled extension."""
