"""Deston below one path of a site, by werkzeug's DispatcherMiddleware.

DESTON_CONFIG=examples/shop.conf gunicorn examples.mounted:app
"""

from __future__ import annotations

from werkzeug.middleware.dispatcher import DispatcherMiddleware

from deston.l7 import app as balancer
from examples.flask_shop import shop

app = DispatcherMiddleware(shop, {"/reports": balancer})
