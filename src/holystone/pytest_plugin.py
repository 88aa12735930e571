"""The fixture `assert_clean_store` for the tests of orchestrations; pytest finds it through an entry point."""

from collections.abc import Callable

import pytest

from holystone.testing import assert_clean


@pytest.fixture(scope="session")
def assert_clean_store() -> Callable[..., None]:
    """Return `holystone.testing.assert_clean`."""
    return assert_clean
