# SPDX-License-Identifier: BSD-3-Clause
"""Certificates made by openssl, and primaries that speak DNS over TLS."""

import os
import socket
import ssl
import threading

from . import net, zones
from .peers import Bind
from .scripted import Scripted

PORT = 853
NAME = "ns1.example"


class Authority:
    """A certificate authority in a folder of its own, which issues to anyone."""

    def __init__(self, workdir, name="authority"):
        self.dir = os.path.join(workdir, name)
        os.makedirs(self.dir, exist_ok=True)
        self.ca = self.path("ca.pem")
        net.sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
               "-nodes", "-days", "30", "-subj", f"/CN={name}", "-keyout", self.path("ca.key"),
               "-out", self.ca)

    def path(self, name):
        return os.path.join(self.dir, name)

    def issue(self, stem, names=f"DNS:{NAME}", days=2):
        """A certificate for `names`; expired a day ago if `days` is below 0. Returns
        the paths of the certificate and of its key."""
        certificate, key = self.path(f"{stem}.pem"), self.path(f"{stem}.key")
        request, extensions = self.path(f"{stem}.csr"), self.path(f"{stem}.ext")
        zones.write(extensions, f"subjectAltName={names}\n")
        net.sh("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
               "-subj", "/CN=primary", "-keyout", key, "-out", request)
        net.sh("openssl", "x509", "-req", "-in", request, "-CA", self.ca, "-CAkey",
               self.path("ca.key"), "-CAcreateserial", "-days", str(days), "-extfile", extensions,
               "-out", certificate)
        return certificate, key


def pin(certificate):
    """Base64 of the SHA-256 of the certificate's SubjectPublicKeyInfo."""
    return net.sh("sh", "-c", f"openssl x509 -in '{certificate}' -noout -pubkey | openssl pkey "
                  "-pubin -outform der | openssl dgst -sha256 -binary | openssl base64").strip()


def context(identity, alpn="dot", clients=None, version=None):
    """How a scripted primary speaks TLS; `clients` is the authority of theirs."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*identity)
    if alpn:
        made.set_alpn_protocols([alpn])
    if clients:
        made.load_verify_locations(clients)
        made.verify_mode = ssl.CERT_REQUIRED
    if version:
        made.maximum_version = version
    return made


class ScriptedTls(Scripted):
    """A scripted primary that is to be asked over TLS. `behave(connection)`, if set,
    has the connection before TLS begins, instead of TLS."""

    def __init__(self, ns, origin, tls, **options):
        self.context = tls
        self.opened = 0  # how many connections came with a good handshake
        self.standing = set()
        super().__init__(ns, origin, **options)
        with ns:
            self.tls = socket.create_server((self.address, PORT), backlog=64)
        threading.Thread(target=self.serve_tls, daemon=True).start()

    def stop(self):
        self.tls.shutdown(socket.SHUT_RDWR)
        self.tls.close()
        super().stop()

    def serve_tls(self):
        while not self.stopping:
            try:
                connection, _ = self.tls.accept()
            except OSError:
                return
            threading.Thread(target=self.shake_hands, args=(connection,), daemon=True).start()

    def shake_hands(self, connection):
        connection.settimeout(60)
        with connection:
            try:
                if self.behave:
                    self.behave(connection)
                    return
                with self.context.wrap_socket(connection, server_side=True) as wrapped:
                    self.opened += 1
                    self.standing.add(wrapped)
                    self.serve_connection(wrapped, "tls")
            except OSError:
                return

    def drop(self):
        """Closes all connections."""
        while self.standing:
            try:
                self.standing.pop().shutdown(socket.SHUT_RDWR)
            except OSError:  # the secondary was first
                pass


class BindTls(Bind):
    """BIND that gives transfers over TLS alone."""

    def __init__(self, *args, identity, clients=None, **options):
        super().__init__(*args, **options)
        self.identity = identity
        self.clients = clients

    def write_config(self):
        super().write_config()
        with open(self.path("named.conf"), encoding="utf-8") as f:
            text = f.read()
        certificate, key = self.identity
        who = f'ca-file "{self.clients}";' if self.clients else ""
        tls = (f'tls here {{ cert-file "{certificate}"; key-file "{key}"; '
               f'protocols {{ TLSv1.3; }}; {who} }};\n')
        listen = (f"listen-on port {PORT} tls here {{ {self.address}; }};\n"
                  f"    listen-on-v6 port {PORT} tls here {{ {net.v6(self.address)}; }};\n")
        text = text.replace("options {\n", f"{tls}options {{\n    {listen}")
        text = text.replace("allow-transfer {", f"allow-transfer port {PORT} transport tls {{")
        zones.write(self.path("named.conf"), text)
