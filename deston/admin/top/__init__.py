"""``deston top``: what runs, live in a terminal."""
