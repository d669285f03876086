# SPDX-License-Identifier: BSD-3-Clause
"""The benchmarks' frame: rows of contestants that take turns, the list, the picture."""

import argparse
import json
import os
import subprocess
import sys

import pytest
from harness import server

BENCH = os.path.join(server.PROJECT, "bench")


@pytest.fixture
def common(monkeypatch):
    """bench/common.py, which else makes the release build everybody's."""
    monkeypatch.setenv("UNDERSTUDY_BUILD", "")
    monkeypatch.syspath_prepend(BENCH)
    import common as module
    return module


def bench(*argv):
    return subprocess.run([sys.executable, *argv], cwd=BENCH, capture_output=True, text=True,
                          timeout=60, check=True).stdout


def test_every_benchmark_is_listed():
    files = {name.removesuffix("_bench.py") for name in os.listdir(BENCH)
             if name.endswith("_bench.py")}
    lines = bench("run").splitlines()
    assert {line.split()[0] for line in lines} == files
    assert all(len(line.split()) > 3 for line in lines), "each says what it measures"


def test_contestants_take_turns(common):
    order = []
    ours, theirs = iter([10.0, 20.0, 90.0]), iter([5.0, 40.0, 30.0])

    def turn(name, values):
        order.append(name)
        return next(values)

    rows = common.compare({"understudy": lambda: turn("u", ours),
                           "knot": lambda: turn("k", theirs)},
                          "answers/s", argparse.Namespace(pairs=3), "-1M")
    assert order == ["u", "k", "k", "u", "u", "k"]
    assert rows == {
        "understudy-1M": {"value": 20.0, "unit": "answers/s", "min": 10.0, "max": 90.0},
        "knot-1M": {"value": 30.0, "unit": "answers/s", "min": 5.0, "max": 40.0},
        "ratio-knot-1M": {"value": 2.0, "unit": "1", "min": 0.5, "max": 3.0},
    }


def test_figures_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    row = {"value": 2.0, "min": 1.0, "max": 3.0}
    figures = tmp_path / "figures.json"
    figures.write_text(json.dumps({
        "bench": "port", "machine": {"cpu": "a CPU", "cores": 2},
        "rows": {"understudy": {**row, "unit": "answers/s"},
                 "ratio-5tswap": {**row, "unit": "1"}}}))
    bench("plot", str(figures))
    assert (tmp_path / "port.png").read_bytes().startswith(b"\x89PNG")
    picture = (tmp_path / "port.svg").read_text()
    assert "</svg>" in picture
