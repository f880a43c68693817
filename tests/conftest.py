"""What holds for every test."""

from __future__ import annotations

import os

from hypothesis import settings

# No time limit proves anything on a machine that others use, too.
settings.register_profile("deston", deadline=None)
settings.load_profile("deston")

# What a developer's shell says must not reach the tests.
os.environ.pop("DESTON_CONFIG", None)
