"""A pool under a virtual clock: the real policies, leases, queue, marks and retry rules, without gevent and sockets."""
