# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of the port tests. They need root, the built port_server, a second CPU."""

import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "../e2e"))

import server  # noqa: E402
from harness import net, ports  # noqa: E402

WANTED_PAGES = 160


@pytest.fixture(autouse=True)
def able():
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if os.cpu_count() < 2:
        pytest.skip("needs a second CPU for the worker")
    if not os.path.exists(server.PROGRAM):
        pytest.skip(f"no {server.PROGRAM} (built without DPDK?)")


@pytest.fixture
def wire():
    one = net.Wire(kernel_addresses=False)
    yield one
    one.close()


@pytest.fixture
def hugepages():
    with ports.reserve(WANTED_PAGES) as had:
        if not had:
            pytest.skip(f"no {WANTED_PAGES} hugepages to be had")
        yield
