# SPDX-License-Identifier: BSD-3-Clause
"""What the end-to-end tests are made of: namespaces, processes, peers and clients."""
