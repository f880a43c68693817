"""Sockets: the only package that touches them."""
