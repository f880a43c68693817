"""Figures as metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from deston.admin.figure_metrics import Figures


def shown(**figures: float) -> str:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures({name.replace("__", "|"): value for name, value in figures.items()}))
    return generate_latest(registry).decode()


def test_kinds_and_labels() -> None:
    text = shown(
        listener_sent__web=7.0,
        listener_accepted__web=5.0,
        listener_open__web=2.0,
        pool_refused__app=1.0,
        unknown__x=9.0,
    )
    assert 'deston_listener_connections_total{listener="web"} 5.0' in text
    assert 'deston_listener_sent_bytes_total{listener="web"} 7.0' in text
    assert 'deston_listener_open_connections{listener="web"} 2.0' in text
    assert 'deston_pool_refusals_total{pool="app"} 1.0' in text
    assert "unknown" not in text


def test_a_histogram_is_cumulative() -> None:
    registry = CollectorRegistry(auto_describe=False)
    names = {"pool_first_byte|app|0.001": 3.0, "pool_first_byte|app|0.05": 2.0, "pool_first_byte|app|inf": 1.0}
    registry.register(Figures(names))
    text = generate_latest(registry).decode()
    assert 'deston_pool_first_byte_seconds_bucket{le="0.0005",pool="app"} 0.0' in text
    assert 'deston_pool_first_byte_seconds_bucket{le="0.001",pool="app"} 3.0' in text
    assert 'deston_pool_first_byte_seconds_bucket{le="1800",pool="app"} 5.0' in text
    assert 'deston_pool_first_byte_seconds_bucket{le="+Inf",pool="app"} 6.0' in text
    assert 'deston_pool_first_byte_seconds_count{pool="app"} 6.0' in text
