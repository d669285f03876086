# SPDX-License-Identifier: BSD-3-Clause
"""Zones signed by BIND's and by ldns' tools."""

import os
import subprocess

from . import zones


def run(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout


def make_keys(folder, origin):
    """A key that signs keys and one that signs the rest; their base names."""
    return [os.path.join(folder, run("dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", *flags,
                                     "-K", folder, origin).strip())
            for flags in (["-f", "KSK"], [])]


def with_keys(keys, text):
    for key in keys:
        with open(key + ".key", encoding="ascii") as f:
            text += f.read()
    return text


def dnssec_signzone(*options):
    def sign(folder, origin, text, keys):
        source = zones.write(os.path.join(folder, "unsigned"), with_keys(keys, text))
        run("dnssec-signzone", "-K", folder, "-d", folder, "-o", origin, *options, "-k", keys[0],
            "-f", source + ".signed", source, keys[1])
        return source + ".signed"
    return sign


def ldns_signzone(*options):
    def sign(folder, origin, text, keys):
        source = zones.write(os.path.join(folder, "unsigned"), with_keys(keys, text))
        run("ldns-signzone", "-o", origin, *options, "-f", source + ".signed", source, *keys)
        return source + ".signed"
    return sign
