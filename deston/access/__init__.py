"""Access logs: a line for each connection, session or exchange, to where the configuration says."""
