"""A policy of one's own: ``algorithm = examples.quickest:quickest``."""

from __future__ import annotations


def quickest():  # type: ignore[no-untyped-def]
    """Of all, the server that has answered the soonest so far."""
    return lambda candidates, key: min(candidates, key=lambda candidate: candidate.latency)
