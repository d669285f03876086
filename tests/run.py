# SPDX-License-Identifier: BSD-3-Clause
"""Runs the stages of scripts/test and counts what passed, failed and was skipped."""

import concurrent.futures
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

LOGS = "build-test-logs"
BAD_TAIL_LINES = 60

started = time.monotonic()
passed = []
failed = []
skipped = []
children = []  # running


def say(text):
    print(f"[{time.monotonic() - started:5.0f} s] {text}", flush=True)


def count(result, name, detail=""):
    {"pass": passed, "fail": failed, "skip": skipped}[result].append((name, detail))
    if result != "pass":
        say(f"{result.upper()} {name}{': ' if detail else ''}{detail}")


def log_path(name):
    return os.path.join(LOGS, name + ".log")


def run(name, argv, limit_s, env=None):
    """Runs a command into LOGS/name.log, its whole process group bounded in time.
    Returns its exit status, None if it had to be ended."""
    with open(log_path(name), "wb") as log:
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                 env={**os.environ, **(env or {})}, start_new_session=True)
        children.append(child)
        try:
            return child.wait(limit_s)
        except subprocess.TimeoutExpired:
            say(f"{name}: ended after {limit_s} s")
            return None
        finally:
            end_group(child)
            children.remove(child)


def side_by_side(*jobs):
    """Does what mostly waits at the same time."""
    with concurrent.futures.ThreadPoolExecutor(len(jobs)) as pool:
        for done in [pool.submit(job) for job in jobs]:
            done.result()


def terminated(*_):
    for child in list(children):
        end_group(child)
    os._exit(143)


def end_group(child):
    """Ends what a command has left running: SIGTERM first, so that it can clean up."""
    for number, patience_s in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
        end = time.monotonic() + patience_s
        try:
            os.killpg(child.pid, number)
            while time.monotonic() < end:
                child.poll()
                os.killpg(child.pid, 0)
                time.sleep(0.05)
        except ProcessLookupError:
            return


def show_tail(name):
    with open(log_path(name), encoding="utf-8", errors="replace") as log:
        lines = log.read().splitlines()
    for line in lines[-BAD_TAIL_LINES:]:
        print("    | " + line)


def lint():
    say("lint")
    run("lint", ["scripts/lint"], 300)
    with open(log_path("lint"), encoding="utf-8", errors="replace") as log:
        before = []
        for line in log.read().splitlines():
            verdict, _, check = line.partition(" ")
            if verdict not in ("PASS", "FAIL", "SKIP") or not check:
                before.append(line)
                continue
            if verdict == "FAIL":
                print("\n".join("    | " + text for text in before[-BAD_TAIL_LINES:]))
            count(verdict.lower(), "lint " + check, before[-1] if verdict == "SKIP" else "")
            before = []
    if before:
        print("\n".join("    | " + text for text in before))
    if not any(name.startswith("lint ") for name, _ in passed + failed):
        count("fail", "lint", "asked nothing")


def build(name, compiler, options=()):
    """Builds build-test-NAME; its success is a test of its own: no compiler may warn."""
    directory = "build-test-" + name
    say(f"build {name}")
    if not os.path.exists(os.path.join(directory, "build.ninja")):
        shutil.rmtree(directory, ignore_errors=True)
        status = run(f"{name}-setup", ["meson", "setup", directory, "--werror", *options], 120,
                     {"CC": compiler})
        if status != 0:
            show_tail(f"{name}-setup")
            count("fail", f"{name}: meson setup")
            return None
    if run(f"{name}-build", ["ninja", "-j2", "-C", directory], 600) != 0:
        show_tail(f"{name}-build")
        count("fail", f"{name}: build")
        return None
    count("pass", f"{name}: build")
    return directory


def meson_tests(name, directory, suites=(), patience=1, env=None, wrap=None):
    """Runs the meson tests of a build, all of them or those of some suites."""
    say(f"test {name}")
    argv = ["meson", "test", "-C", directory, "--no-rebuild", "--num-processes", "2",
            "--print-errorlogs", "--logbase", "testlog", "--timeout-multiplier", str(patience)]
    for suite in suites:
        argv += ["--suite", suite]
    if wrap:
        argv += ["--wrap", wrap]
    record = os.path.join(directory, "meson-logs",
                          f"testlog-{wrap.split()[0]}.json" if wrap else "testlog.json")
    if os.path.exists(record):
        os.unlink(record)
    status = run(f"{name}-test", argv, 600, env)
    results = []
    if os.path.exists(record):
        with open(record, encoding="utf-8") as file:
            results = [json.loads(line) for line in file]
    bad = status != 0
    for result in results:
        title = f"{name}: {result['name']}"
        if result["result"] in ("OK", "EXPECTEDFAIL"):
            count("pass", title)
        elif result["result"] == "SKIP":
            output = (result.get("stdout") or result.get("stderr") or "").strip().splitlines()
            count("skip", title, output[-1] if output else "")
        else:
            count("fail", title, result["result"])
            bad = False  # it is counted, by name
    if not results or bad:
        count("fail", f"{name}: meson test", f"exit status {status}, {len(results)} results")
    if status != 0:
        show_tail(f"{name}-test")


def stage_gcc():
    directory = build("gcc", "gcc")
    if directory:
        meson_tests("gcc", directory)


def stage_clang():
    build("clang", "clang")


SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


def stage_asan():
    directory = build("asan", "clang", [
        "-Ddpdk=disabled", "-Db_sanitize=address,undefined", "-Db_lundef=false",
        "-Dc_args=-fno-sanitize-recover=all"])
    if directory:
        meson_tests("asan", directory, patience=3, env=SANITIZERS)
        found_packets(directory)


def found_packets(directory):
    """Replays the packets that another project's fuzzers found through our parsers."""
    title = "asan: packets of other fuzzers"
    archive = os.path.join(os.environ.get("UNDERSTUDY_TEST_DATA", "../shared/data"),
                           "fuzz/packets.tar.xz")
    target = os.path.join(directory, "tests/fuzz/fuzz_answer")
    if not os.path.exists(archive):
        count("skip", title, f"no {archive}")
        return
    if not os.path.exists(target):
        count("fail", title, f"no {target}")
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["tar", "-C", folder, "-xJf", archive], check=True, timeout=60)
        status = run("asan-packets", [target, folder], 120, SANITIZERS)
    count("pass" if status == 0 else "fail", title, f"exit status {status}" if status else "")
    if status != 0:
        show_tail("asan-packets")


def stage_tsan():
    directory = build("tsan", "clang", [
        "-Ddpdk=disabled", "-Db_sanitize=thread", "-Db_lundef=false"])
    if not directory:
        return
    shown = os.path.abspath(os.path.join(directory, "tests/support/libseen_close.so"))
    meson_tests("tsan", directory, patience=5, env={**SANITIZERS, "LD_PRELOAD": shown},
                wrap=" ".join(calm()) or None)


def calm():
    """Begins commands whose children ThreadSanitizer looks at: its shadow wants the address
    space as it is without randomisation."""
    argv = ["setarch", "-R"]
    done = subprocess.run([*argv, "true"], check=False, capture_output=True)
    return argv if done.returncode == 0 else []


def pytest(name, paths, limit_s, env, wrap=()):
    say(f"pytest {name}")
    record = os.path.join(LOGS, name + ".xml")
    if os.path.exists(record):
        os.unlink(record)
    status = run(name, [*wrap, "/usr/bin/python3", "-m", "pytest", "-ra", "--tb=short", "-p",
                        "no:cacheprovider", "--junitxml", record, *paths], limit_s, env)
    cases = list(ElementTree.parse(record).iter("testcase")) if os.path.exists(record) else []
    bad = status != 0
    for case in cases:
        title = f"{name}: {case.get('classname')}.{case.get('name')}"
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            count("fail", title)
            bad = False
        elif skip is not None:
            count("skip", title, skip.get("message") or "")
        else:
            count("pass", title)
    if not cases or bad:
        count("fail", f"{name}: pytest", f"exit status {status}, {len(cases)} results")
    if status != 0:
        show_tail(name)


def on_build(name, compiler_stage, paths, limit_s, wrap=()):
    """The pytest cases of some paths, on the build of another stage."""
    directory = "build-test-" + compiler_stage
    if not os.path.exists(os.path.join(directory, "ctrl/understudyd")):
        count("fail", name, f"no daemon in {directory}: run the stage {compiler_stage} first")
        return
    pytest(name, paths, limit_s, {"UNDERSTUDY_BUILD": directory}, wrap)


def stage_port():
    on_build("port", "gcc", ["tests/port"], 300)


def e2e_files(files):
    return [f"tests/e2e/test_{file}.py" for file in files]


# Tests of transfers mostly wait: for timers, silent primaries, retries. Only the rest use
# DPDK ports, for which a CPU and hugepages are set aside.
HOSTILE = ["hostile_ixfr", "hostile_primary", "hostile_zones", "hooks"]
TRANSFERS = ["crash", "deployments", "ixfr", "keys", "notify", "peers", "primary_config", "resigned",
             "schedule", "store", "timers", "transfer", "verify", "xot"]


def stage_e2e():
    every = {re.fullmatch(r"test_(.*)\.py", name)[1]
             for name in os.listdir("tests/e2e") if name.startswith("test_")}
    rest = sorted(every - set(HOSTILE) - set(TRANSFERS))
    side_by_side(lambda: on_build("e2e", "gcc", e2e_files(rest), 900),
                 lambda: on_build("e2e-transfers", "gcc", e2e_files(TRANSFERS), 900),
                 lambda: on_build("e2e-hostile", "gcc", e2e_files(HOSTILE), 900))


def stage_e2e_asan():
    """What strangers, hostile primaries, operators can send to a daemon that hides no fault."""
    kernel_only = ["-k", "not af_packet and not af_xdp"]
    rest = e2e_files(["fuzz_packets", "tcp", "notify", "config", "control"]) + kernel_only
    hostile = e2e_files(["hostile_ixfr", "hostile_primary", "hostile_zones", "resigned"])
    side_by_side(lambda: on_build("e2e-asan", "asan", rest, 600),
                 lambda: on_build("e2e-asan-hostile", "asan", hostile, 900))


def stage_e2e_tsan():
    """Where the loop and other threads share most: the store, transfers, the control socket."""
    on_build("e2e-tsan", "tsan", e2e_files(["store", "ixfr", "control"]), 600, calm())


def stage_differential():
    """Nasty zones, and the same questions to four servers; see docs/testing.md."""
    directory = "build-test-gcc"
    if not os.path.exists(os.path.join(directory, "ctrl/understudyd")):
        count("fail", "differential", f"no daemon in {directory}: run the stage gcc first")
        return
    pytest("differential-judge", ["tests/differential"], 120, {"UNDERSTUDY_BUILD": directory})
    say("differential")
    record = os.path.join(LOGS, "differential.json")
    status = run("differential", ["tests/differential/run", "--generate", "30", "--seed", "1",
                                  "--queries", "10000", "--show", "--strict", "--json", record],
                 240,
                 {"UNDERSTUDY_BUILD": directory})
    count("pass" if status == 0 else "fail", "differential: 30 zones, 10,000 queries",
          f"exit status {status}" if status else "")
    if status != 0:
        show_tail("differential")


STAGES = {
    "lint": lint,
    "gcc": stage_gcc,
    "clang": stage_clang,
    "asan": stage_asan,
    "tsan": stage_tsan,
    "port": stage_port,
    "e2e": stage_e2e,
    "e2e-asan": stage_e2e_asan,
    "e2e-tsan": stage_e2e_tsan,
    "differential": stage_differential,
}


def main(names):
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    for name in names:
        if name not in STAGES:
            sys.exit(f"{name}: no such stage; there are {' '.join(STAGES)}")
    signal.signal(signal.SIGTERM, terminated)
    os.makedirs(LOGS, exist_ok=True)
    for old in glob.glob(os.path.join(LOGS, "*")):
        os.unlink(old)
    for name in names or STAGES:
        STAGES[name]()
    print()
    for result, of in (("skipped", skipped), ("FAILED", failed)):
        for name, detail in of:
            print(f"{result} {name}{': ' if detail else ''}{detail}")
    say(f"done; logs are in {LOGS}")
    print(f"{len(passed)} passed, {len(failed)} failed, {len(skipped)} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
