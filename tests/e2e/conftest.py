# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of the end-to-end tests.

Run:  /usr/bin/python3 -m pytest tests/e2e            all but the long ones
      … --long                                        the long ones too
      … --server knot                                 Knot in Understudy's place: proves the
                                                      tests that ask nothing but DNS
      UNDERSTUDY_BUILD=build-asan …                   another build
      UNDERSTUDY_TEST_DATA=DIR …                      shared test data (default ../shared/data)
"""

import contextlib
import os
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from harness import net, ports, process, server  # noqa: E402
from harness.stage import Stage  # noqa: E402

TEST_LIMIT_S = 120


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="run the long tests as well")
    parser.addoption("--server", default="understudy", choices=sorted(server.SERVERS),
                     help="the secondary under test")


def pytest_configure(config):
    config.addinivalue_line("markers", "quick: scripts/test runs it")
    config.addinivalue_line("markers", "long: minutes of load; run with --long")
    config.addinivalue_line("markers", "limit(seconds): how long the test may take")
    config.addinivalue_line("markers", "understudy: needs Understudy itself, no reference server")


def pytest_collection_modifyitems(config, items):
    skips = []
    if os.geteuid():
        skips.append((None, "needs root: it makes network namespaces"))
    if not config.getoption("--long"):
        skips.append(("long", "long: run with --long"))
    if config.getoption("--server") != "understudy":
        skips.append(("understudy", "needs Understudy itself"))
    for item in items:
        if not item.get_closest_marker("long"):
            item.add_marker(pytest.mark.quick)
        for marker, reason in skips:
            if marker is None or item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    """Bounds every test in time, fixtures included."""
    marker = item.get_closest_marker("limit")
    limit = marker.args[0] if marker else TEST_LIMIT_S

    def expired(_number, _frame):
        raise TimeoutError(f"the test took more than {limit} s")

    signal.signal(signal.SIGALRM, expired)
    signal.alarm(limit)
    yield
    signal.alarm(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Shows the ends of the logs of a failed test's processes."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for one in process.running:
            report.sections.append((f"log of {one.name}: {one.log}", one.log_text()[-3000:]))


def pytest_sessionstart():
    if os.geteuid() == 0:
        net.sweep()


def pytest_sessionfinish():
    process.kill_all()


@pytest.fixture(scope="session")
def data():
    """The folder of shared test data."""
    path = os.environ.get("UNDERSTUDY_TEST_DATA",
                          os.path.join(server.PROJECT, "../shared/data"))
    if not os.path.isdir(path):
        pytest.skip(f"no shared test data in {path}")
    return path


@pytest.fixture(scope="session")
def server_class(request):
    chosen = server.SERVERS[request.config.getoption("--server")]
    if chosen.understudy and not chosen.program("understudyd"):
        pytest.fail(f"no understudyd in {chosen.build}: build first, or set UNDERSTUDY_BUILD")
    return chosen


@contextlib.contextmanager
def set_up(request, workdir, mode=ports.KERNEL):
    server_class = request.getfixturevalue("server_class")
    if mode != ports.KERNEL:
        if not server_class.understudy:
            pytest.skip("only Understudy has DPDK ports")
        if not server_class.has_ports():
            pytest.skip(f"{server_class.build} is built without DPDK")
        if os.cpu_count() < 2:
            pytest.skip("a worker needs a second CPU")
    with ports.hugepages(mode) as had:
        if not had:
            pytest.skip("hugepages cannot be had")
        one = Stage(workdir, server_class, mode)
        try:
            yield one
        finally:
            one.strike()


@pytest.fixture
def stage(request, tmp_path):
    with set_up(request, tmp_path) as one:
        yield one


@pytest.fixture(scope="module")
def module_stage(request, tmp_path_factory):
    with set_up(request, tmp_path_factory.mktemp("stage")) as one:
        yield one


@pytest.fixture(scope="module", params=[ports.KERNEL, *ports.MODES])
def any_stage(request, tmp_path_factory):
    """A stage for a whole module, once in every mode."""
    with set_up(request, tmp_path_factory.mktemp("stage"), request.param) as one:
        yield one


@pytest.fixture(scope="module", params=ports.MODES)
def port_stage(request, tmp_path_factory):
    """A stage for a whole module, once with every kind of DPDK port."""
    with set_up(request, tmp_path_factory.mktemp("stage"), request.param) as one:
        yield one
