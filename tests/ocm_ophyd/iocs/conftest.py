"""The two IOCs that the tests of this folder share."""

import pytest
from ca_client import Client
from processes import running_ioc


@pytest.fixture(scope="session")
def fast(tmp_path_factory):
    """Client of an IOC that runs 50 times faster than real time."""
    with (
        running_ioc(tmp_path_factory.mktemp("fast"), time_scale=50.0) as ioc,
        Client(ioc) as client,
    ):
        yield client


@pytest.fixture(scope="session")
def slow(tmp_path_factory):
    """Client of an IOC in real time, with a prefix of its own."""
    directory = tmp_path_factory.mktemp("slow")
    with running_ioc(directory, prefix="RT:", time_scale=1.0) as ioc, Client(ioc) as client:
        yield client
