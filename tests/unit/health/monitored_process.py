"""A process with a monitor in it, for a test that starts it: prints what two HTTP checks say and ends."""

from __future__ import annotations

import sys

from gevent import monkey

if __name__ == "__main__":
    if sys.argv[1] == "patched":
        monkey.patch_all()

    from deston.balancer.registry import Registry
    from deston.balancer.server import Health
    from deston.config.model import CheckType
    from deston.health.monitor import Monitor
    from tests.unit.health import builders, peers

    settings = builders.health(type=CheckType.HTTP, timeout=0.3, interval=60)
    with peers.AnswersWith() as good, peers.NeverAnswers() as silent:
        servers = [builders.server("good", good.address), builders.server("silent", silent.address)]
        Monitor(Registry([builders.pool(*servers, checked=settings)])).start()
        builders.wait_for(lambda: Health.UNCHECKED not in {server.health for server in servers}, "the first checks")
        for server in servers:
            print(f"{server.name}: {server.health.value}, {server.check_reason}")
