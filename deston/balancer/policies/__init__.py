"""The policies. Importing this package registers all that Deston ships."""

from deston.balancer.policies import hashing, least_connections, random, round_robin
from deston.balancer.policies.base import Candidate, Policy, create_policy, known_policies, policy

__all__ = [
    "Candidate",
    "Policy",
    "create_policy",
    "hashing",
    "known_policies",
    "least_connections",
    "policy",
    "random",
    "round_robin",
]
