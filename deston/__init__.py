"""Deston: a load balancer for TCP and HTTP in Python, on gevent."""

__version__ = "0.1.0"
