"""The run: one policy, one virtual clock.

What lives here: the events in the order of their time, and what each does to the pool and to the stations.
What must not: when requests come (``arrivals``), what is told of the run (``results``).
Invariant: between two events nothing moves. Who gets a lease, who waits and who may try again is decided by the pool,
its queue, the marks and the retry rules that serve real clients; the order of these steps is that of ``l7.exchange``.
"""

from __future__ import annotations

from array import array

from deston.balancer.pool import Lease
from deston.balancer.server import Server
from deston.errors import AllServersFull, ConnectError, NoServerAvailable, StreamError, StreamReset
from deston.l7.retry import RetryBudget, may_retry
from deston.simulate.arrivals import Arrivals
from deston.simulate.outages import Outages
from deston.simulate.results import Result, ServerResult
from deston.simulate.scenario import Scenario, living_pool, with_algorithm
from deston.simulate.station import Job, Station
from deston.simulate.timeline import Event, Timeline

_NEVER = -1


class _Waiter:
    """A request in the pool's queue; ``wake`` is what the queue calls."""

    __slots__ = ("_woken", "is_waiting", "job")

    def __init__(self, job: Job, woken: list[_Waiter]) -> None:
        self.job = job
        self.is_waiting = True
        self._woken = woken

    def wake(self) -> None:
        self._woken.append(self)


class Simulation:
    """One policy at work. It runs once."""

    def __init__(self, scenario: Scenario, algorithm: str, arrivals: Arrivals) -> None:
        self._scenario = scenario
        self._arrivals = arrivals
        self._keys = arrivals.keys
        self._timeline = Timeline()
        self._config = with_algorithm(scenario.pool, algorithm)
        self._pool = living_pool(self._config, scenario.seed, self._timeline.clock)
        self._outages = Outages(self._timeline, self._pool, scenario.detect, self._lose_all)
        self._budget = RetryBudget()
        servers = enumerate(zip(self._pool.servers, scenario.hands, strict=True))
        self._stations = {server: Station(server, index, hands) for index, (server, hands) in servers}
        #: The server that answered each client last, by its index.
        self._last = array("i", [_NEVER]) * len(self._keys)
        self._has_moved = bytearray(len(self._keys))
        self._woken: list[_Waiter] = []
        self._result = Result(algorithm)
        # A bound method is made anew each time that it is asked for, and this one is needed for every request.
        self._on_complete = self._complete

    def run(self) -> Result:
        """Let all requests come and go; what became of them."""
        self._outages.plan(self._scenario.disturbances, self._stations.values())
        timeline, events, woken = self._timeline, self._timeline.events, self._woken
        for arrived, client, work in self._arrivals:
            while events and events[0][0] <= arrived:
                timeline.step()
                if woken:
                    self._serve_woken()
            timeline.now = arrived
            self._result.requests += 1
            self._arrive(Job(arrived, client, work))
            if woken:
                self._serve_woken()
        while events:
            timeline.step()
            self._serve_woken()
        return self._finished()

    # --- requests

    def _arrive(self, job: Job) -> None:
        self._budget.request(self._timeline.now)
        pool = self._pool
        if pool.queue.waiting:
            self._queue(job)
            return
        try:
            lease = pool.lease(self._keys[job.client], (), self._preferred(job))
        except AllServersFull:
            self._queue(job)
        except NoServerAvailable:
            self._result.refused += 1
        else:
            self._send(job, lease)

    def _preferred(self, job: Job) -> Server | None:
        if not self._scenario.affinity:
            return None
        last = self._last[job.client]
        return None if last == _NEVER else self._pool.servers[last]

    def _send(self, job: Job, lease: Lease) -> None:
        station = self._stations[lease.server]
        job.lease = lease
        job.sent = self._timeline.now
        if lease.server.active > station.peak:
            station.peak = lease.server.active
        if station.is_dead:
            self._fail(job, lease, ConnectError("connection refused"))
        elif station.busy < station.hands:
            station.busy += 1
            self._begin(job, station)
        else:
            station.line.append(job)

    def _begin(self, job: Job, station: Station) -> None:
        timeline = self._timeline
        now = timeline.now
        work = job.work * station.factor
        station.worked += work
        job.begun = now
        job.due = timeline.plan(now + work, self._on_complete, job)

    def _complete(self, number: int, job: Job) -> None:
        lease = job.lease
        if job.due != number or lease is None:
            return  # Its server died meanwhile.
        now = self._timeline.now
        station = self._stations[lease.server]
        lease.answered(now - job.sent)
        lease.release()
        station.served += 1
        station.answering += now - job.sent
        if station.line:
            self._begin(station.line.popleft(), station)
        else:
            station.busy -= 1
        result = self._result
        result.seconds = now
        result.latency.add(now - job.arrived)
        result.waiting.add(job.begun - job.arrived)
        last = self._last[job.client]
        if last != station.index:
            self._last[job.client] = station.index
            if last != _NEVER:
                result.moves += 1
                self._has_moved[job.client] = 1

    def _fail(self, job: Job, lease: Lease, error: StreamError) -> None:
        """A try has failed: another server, or none."""
        lease.failed()
        lease.release()
        job.lease, job.due = None, _NEVER
        job.tried += (lease.server,)
        self._outages.sweep_later()
        config, tries = self._config, len(job.tried)
        causes = config.retry_on.causes
        if may_retry(error, True, tries, config.retries, self._budget, self._timeline.now, causes):
            try:
                following = self._pool.lease(self._keys[job.client], job.tried)
            except NoServerAvailable:
                self._result.failed += 1
                return
            self._result.retried += 1
            self._send(job, following)
        else:
            self._result.failed += 1

    # --- the pool's queue

    def _queue(self, job: Job) -> None:
        queue = self._pool.queue
        if len(queue.waiting) >= self._config.queue:
            self._result.refused += 1
            return
        waiter = _Waiter(job, self._woken)
        job.queued = self._timeline.now
        queue.join(waiter.wake)
        self._timeline.plan(self._timeline.now + self._config.queue_timeout, self._give_up, waiter)

    def _give_up(self, number: int, waiter: _Waiter) -> None:
        if waiter.is_waiting:
            self._leave_queue(waiter)
            self._pool.queue.leave(waiter.wake)
            self._result.refused += 1

    def _leave_queue(self, waiter: _Waiter) -> None:
        waiter.is_waiting = False
        seconds = self._timeline.now - waiter.job.queued
        self._pool.queue.account(seconds)
        self._result.queued.add(seconds)

    def _serve_woken(self) -> None:
        """Those that were told of room take it, or wait on in front."""
        queue = self._pool.queue
        while self._woken:
            waiter = self._woken.pop(0)
            job = waiter.job
            try:
                lease = self._pool.lease(self._keys[job.client], (), self._preferred(job))
            except AllServersFull:
                queue.rejoin(waiter.wake)
                continue
            except NoServerAvailable:
                self._leave_queue(waiter)
                self._result.refused += 1
                queue.tell_next()
                continue
            self._leave_queue(waiter)
            queue.tell_next()
            self._send(job, lease)

    # --- a server that dies

    def _lose_all(self, station: Station) -> None:
        """All that a server had under way is lost, and is tried elsewhere where that may be."""
        now, events = self._timeline.now, self._timeline.events
        at_work = sorted(event for event in events if self._is_work_at(event, station))
        station.worked -= sum(due - now for due, *_ in at_work)
        jobs = [*(job for *_, job in at_work), *station.line]
        station.line.clear()
        station.busy = 0
        for job in jobs:
            if job.lease is not None:
                self._fail(job, job.lease, StreamReset("connection reset"))

    def _is_work_at(self, event: Event, station: Station) -> bool:
        _, number, handler, job = event
        if handler != self._on_complete or job.due != number:
            return False
        lease: Lease = job.lease
        return lease.server is station.server

    # --- the end

    def _finished(self) -> Result:
        result = self._result
        result.moved = sum(self._has_moved)
        result.clients = sum(last != _NEVER for last in self._last)
        result.servers = [self._server_result(station) for station in self._stations.values()]
        return result

    def _server_result(self, station: Station) -> ServerResult:
        server, result = station.server, self._result
        return ServerResult(
            name=server.name,
            weight=server.weight,
            served=station.served,
            share=station.served / max(1, result.served),
            busy=station.worked / (result.seconds * station.hands) if result.seconds else 0.0,
            mean=station.answering / max(1, station.served),
            peak=station.peak,
            failures=server.failures,
        )
