"""What is under way now, in every process: listing it for an operator, and ending it."""
