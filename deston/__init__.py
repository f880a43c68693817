"""Deston: a load balancer for TCP, UDP and HTTP in Python, on gevent."""

__version__ = "0.1.0"
