"""What processes share: the operator's changes (store), and counters and health (board)."""
