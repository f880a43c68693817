"""Choosing a server: pure, without gevent, sockets or the clock."""
