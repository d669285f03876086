# SPDX-License-Identifier: BSD-3-Clause
"""cycles a query of the answer path, without a network card

Hugepages for all of the zones are reserved while it runs, as they are where a card is driven.
"""
import json
import os
import re
import shutil
import subprocess
import tempfile

import root_mix
from common import BUILD, ROOT, say
from harness import ports

PROGRAM = os.path.join(BUILD, "bench", "answer")
DATA = os.environ.get("UNDERSTUDY_TEST_DATA", os.path.join(ROOT, "..", "shared", "data"))
FILLS = 4  # of 1,024 queries, to count instructions
HUGEPAGES = 450  # of 2 MiB: 10,000,000 names take most


def instructions(row, folder, arguments):
    """Instructions a query, by callgrind: of the bursts alone."""
    counts = os.path.join(folder, "callgrind")
    subprocess.run(["valgrind", "--tool=callgrind", "--instr-atstart=no",
                    f"--callgrind-out-file={counts}", PROGRAM, "--fills", str(FILLS), *arguments,
                    row], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(counts, encoding="utf-8") as file:
        return int(re.search(r"^totals: (\d+)", file.read(), re.MULTILINE)[1]) // (FILLS * 1024)


def rows(options):
    with tempfile.TemporaryDirectory() as folder, ports.reserve(HUGEPAGES) as had:
        if not had:
            say("hugepages cannot be had: what is far apart costs more")
        file, arguments = os.path.join(folder, "rows.json"), []
        why_not = root_mix.missing(DATA)
        if why_not:
            say(f"root-mix is left out: {why_not}")
        else:
            arguments = ["--file", os.path.join(folder, "root")]
            root_mix.write(DATA, arguments[1])
        subprocess.run([PROGRAM, "--json", file, *arguments], check=True,
                       stdout=subprocess.DEVNULL)
        with open(file, encoding="utf-8") as figures:
            found = json.load(figures)["rows"]
        if options.instructions and not shutil.which("valgrind"):
            say("instructions are not counted: there is no valgrind")
        elif options.instructions:
            for row, figure in found.items():
                figure["instructions"] = instructions(row, folder, arguments)
        return found
