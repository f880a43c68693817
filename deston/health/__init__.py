"""Health: what checks and failed dials say of the servers; the only writer of a server's health."""
