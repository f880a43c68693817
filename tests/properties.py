"""What all property tests share.

What lives here: the settings of hypothesis, and strategies that more than one module needs.
What must not: properties.
Invariant: no property test fails because the machine is slow.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

#: Decorates every property test: speed is measured elsewhere, never proved by a time limit.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

#: What ``random.Random.random`` can return, its least and its greatest value often.
chances = st.one_of(st.sampled_from([0.0, 0.5, 1 - 2**-53]), st.floats(0, 1, exclude_max=True))
