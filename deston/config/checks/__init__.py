"""The types that the schema names. Importing this package registers all of them."""

from deston.config.checks import addresses, http, plain, rules, tls
from deston.config.checks.base import CHECKS

__all__ = ["CHECKS", "addresses", "http", "plain", "rules", "tls"]
