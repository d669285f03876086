# SPDX-License-Identifier: BSD-3-Clause
"""answers/s of the daemon on a replayed capture, beside testpmd's 5tswap

One worker core, 200,000 queries drawn uniformly from the names of the zone. testpmd's
5tswap, which only swaps addresses and ports, is what the replay itself can carry.
"""
from common import compare
from replay import a_replay


def rows(options):
    with a_replay(options.names) as replay:
        return compare({
            "understudy": lambda: replay.rate(options.seconds),
            "5tswap": lambda: replay.echo_rate(options.seconds),
        }, "packets/s", options)
