# SPDX-License-Identifier: BSD-3-Clause
"""Where a test plays: a wire, and all that was started on it."""

from . import net, ports


class Stage:
    """Where one test, or one module, plays: a wire, and all that was started on
    it, which is stopped in reverse order when the stage is struck. `mode` says
    how the server under test is reached (harness/ports.py)."""

    def __init__(self, workdir, server_class, mode=ports.KERNEL):
        self.dir = str(workdir)
        self.mode = mode
        self.wire = net.Wire(kernel_addresses=not ports.has_tap(mode))
        self.clients = self.wire.clients
        self.server_ns = self.wire.server
        self.server_class = server_class
        self.started = []

    def start(self, thing, **options):
        self.started.append(thing)
        return thing.start(**options)

    def peer(self, kind, content, **options):
        return self.start(kind(self.clients, self.dir, content, **options))

    def secondary(self, content, serials=None, timeout=20, **options):
        """The server under test, started; waits for `serials` to be served."""
        options = {**ports.options(self.mode), **options}
        one = self.start(self.server_class(self.server_ns, self.dir, content, **options))
        if serials:
            one.wait_served(self.clients, serials, timeout)
        return one

    def clear(self):
        """Stops all that was started; the wire stays."""
        errors = []
        for thing in reversed(self.started):
            try:
                thing.stop()
            except AssertionError as e:
                errors.append(e)
        self.started = []
        if errors:
            raise errors[0]

    def strike(self):
        try:
            self.clear()
        finally:
            self.wire.close()
