"""Recorded numbers of the official implementations, run case by case."""

import pytest

# test_protocols.py collects the tests of this package's modules
pytest.register_assert_rewrite('tests.oracles.protocols')
