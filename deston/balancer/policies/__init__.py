"""The policies. Importing this package registers all that Deston ships."""

from deston.balancer.policies import first, hashing, least_connections, least_latency, random, round_robin
from deston.balancer.policies.base import Candidate, Policy, create_policy, known_policies, policy
from deston.balancer.policies.making import make_policy

__all__ = [
    "Candidate",
    "Policy",
    "create_policy",
    "first",
    "hashing",
    "known_policies",
    "least_connections",
    "least_latency",
    "make_policy",
    "policy",
    "random",
    "round_robin",
]
