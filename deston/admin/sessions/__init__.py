"""``deston sessions``: what is under way in every process, as a table, and the end of it at an operator's word."""
