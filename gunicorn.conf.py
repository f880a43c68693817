# A plain `gunicorn deston.l7:app` in a checkout reads this file: it serves the HTTP listeners of conf/deston.conf.
from deston.l7.gunicorn_conf import *  # noqa: F403
