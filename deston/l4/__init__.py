"""TCP listeners: connections, relayed byte for byte."""
