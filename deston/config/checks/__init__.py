"""The types that the schema names. Importing this package registers all of them."""

from deston.config.checks import addresses, http, plain, tls
from deston.config.checks.base import CHECKS

__all__ = ["CHECKS", "addresses", "http", "plain", "tls"]
