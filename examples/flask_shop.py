"""A Flask application that is moved out route by route.

    gunicorn examples.flask_shop:app

What shop.conf has a route for goes to its pool; everything else is still answered here.
"""

from __future__ import annotations

import os

from flask import Flask

from deston.l7 import wrap

shop = Flask(__name__)


@shop.get("/")
def home() -> str:
    return "the shop"


@shop.get("/orders")
def orders() -> str:
    return "all orders"


@shop.route("/reports/<path:name>", methods=["GET", "POST"])
def report(name: str) -> str:
    """The old reports: only seen while no server of the new ones is up."""
    return f"the shop's own report {name}"


CONFIG = os.environ.get("DESTON_CONFIG") or os.path.join(os.path.dirname(__file__), "shop.conf")

app = wrap(shop, CONFIG, rescue=True)
