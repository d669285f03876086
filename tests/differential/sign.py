# SPDX-License-Identifier: BSD-3-Clause
"""Signs zones with dnssec-signzone or ldns-signzone; one pair of keys serves all."""

import glob
import os
import re
import subprocess
import tempfile

import dns.name
import dns.rdata
import dns.rdataclass

SIGN_LIMIT_S = 60

# Knot does not know these types' names; what BIND writes of NID and L64 it does not read.
NOT_KNOTS = {"MB": 7, "MG": 8, "MR": 9, "X25": 19, "PX": 26}
RESPELLED = {*NOT_KNOTS, "NID", "L64"}
LIKE = {"MB": "PTR", "MG": "PTR", "MR": "PTR", "MINFO": "RP"}  # not known to dnspython
ODD_NAME = re.compile(r"[^A-Za-z0-9_.*-]")
ODD_RDATA = re.compile(r"[^A-Za-z0-9_.*\s()\"#\\+/=:,!^-]|\\[^#]")


class Keys:
    """A KSK and a ZSK made in `folder`. They are copied under each zone's name:
    a key's tag does not depend on whose it is."""

    def __init__(self, folder):
        self.files = []
        for flag in ([], ["-f", "KSK"]):
            done = subprocess.run(
                ["dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", "-K", folder, *flag, "key."],
                check=True, capture_output=True, text=True, timeout=60)
            base = os.path.join(folder, done.stdout.strip())
            with open(base + ".key", encoding="ascii") as public, \
                    open(base + ".private", encoding="ascii") as private:
                line = [s for s in public.read().splitlines() if s[:1] != ";"][0]
                self.files.append((base.rsplit("+", 1)[1], line.split(None, 1)[1],
                                   private.read()))

    def records(self, origin):
        """The DNSKEY records of a zone, as lines."""
        return [f"{origin} 3600 {rest}" for _, rest, _ in self.files]

    def write(self, folder, origin):
        """The keys as files of this zone; returns their paths less suffix."""
        bases = []
        for tag, rest, private in self.files:
            base = os.path.join(folder, f"Kzone.+013+{tag}")
            with open(base + ".key", "w", encoding="ascii") as f:
                f.write(f"{origin} {rest}\n")
            with open(base + ".private", "w", encoding="ascii") as f:
                f.write(private)
            bases.append(base)
        return bases


def write_zone(plan, origin, lines, stem, keys):
    """Writes the records of a zone into a file, signed if `plan`, a generate.Zone or None,
    says so; returns the file's path and what hindered signing, else None."""
    plain, source, target = stem + ".unsigned", stem + ".source", stem + ".signed"
    write_lines(plain, map(generic, lines))
    if not plan or not plan.signing:
        return plain, None
    write_lines(source, lines + keys.records(origin))
    with tempfile.TemporaryDirectory(dir=os.path.dirname(stem)) as folder:
        error = sign(plan, source, target, keys, folder)
    return (plain if error else target), error


def write_lines(path, lines):
    with open(path, "w", encoding="ascii") as f:
        f.writelines(line.rstrip("\n") + "\n" for line in lines)


def sign(zone, source, target, keys, folder):
    """Signs the file `source` into `target`; returns an error's text, None if it is signed.
    `folder` is this zone's own and empty."""
    with open(source, encoding="ascii") as f:
        odd = "\\" in f.read()  # ldns-signzone's output has odd octets as they are
    bases = keys.write(folder, zone.origin.to_text())
    if zone.signer == "ldns" and not odd:
        argv = ldns(zone, target) + [source, *bases]
    else:
        argv = bind(zone, target) + [source, *bases]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=SIGN_LIMIT_S,
                              check=False, cwd=folder)
    except subprocess.TimeoutExpired:
        return f"{argv[0]} takes too long"
    finally:
        for path in glob.glob(os.path.join(folder, "*")):
            os.unlink(path)
    if done.returncode:
        return (done.stderr or done.stdout).strip()
    with open(target, encoding="ascii") as f:
        lines = [generic(line) for line in f if line[0] != ";"]
    write_lines(target, lines)
    return None


def generic(line):
    """A record's line as every server reads it: what is odd in it as numbers."""
    owner, ttl, rdclass, rdtype, rdata = line.split(None, 4)
    name = numbered(owner) if ODD_NAME.search(owner) else owner
    if rdtype in ("RRSIG", "NSEC", "NSEC3"):
        rdata = " ".join(number(w) if w in NOT_KNOTS else w for w in rdata.split()) + "\n"
    if rdtype not in RESPELLED and not ODD_RDATA.search(rdata):
        return f"{name} {ttl} {rdclass} {rdtype} {rdata}"
    if rdtype in ("NID", "L64"):
        preference, locator = rdata.split()
        rdata = preference + " " + ":".join(part.zfill(4) for part in locator.split(":"))
    wire = dns.rdata.from_text(dns.rdataclass.IN, LIKE.get(rdtype, rdtype), rdata).to_wire()
    return f"{name} {ttl} {rdclass} {number(rdtype)} \\# {len(wire)} {wire.hex()}\n"


def numbered(text):
    """A name with each octet that is not a plain one written as its number."""
    labels = dns.name.from_text(text).labels
    return ".".join("".join(f"\\{octet:03}" if ODD_NAME.match(chr(octet)) or octet == ord(".")
                            else chr(octet) for octet in label) for label in labels)


def number(rdtype):
    return f"TYPE{NOT_KNOTS[rdtype]}" if rdtype in NOT_KNOTS else rdtype


def bind(zone, target):
    argv = ["dnssec-signzone", "-q", "-P", "-n", "1", "-O", "full", "-o", zone.origin.to_text(),
            "-f", target, "-e", "+31536000"]
    if zone.signing != "nsec":
        argv += ["-3", zone.salt, "-H", str(zone.iterations)]
    return argv + (["-A"] if zone.signing == "optout" else [])


def ldns(zone, target):
    argv = ["ldns-signzone", "-o", zone.origin.to_text(), "-f", target, "-e", "20361231000000"]
    if zone.signing != "nsec":
        argv += ["-n", "-t", str(zone.iterations)]
        argv += ["-s", zone.salt] if zone.salt != "-" else []
    return argv + (["-p"] if zone.signing == "optout" else [])
