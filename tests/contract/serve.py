"""Serves ``deston.l7:app`` with one of the WSGI servers that are no commands of their own.

    python tests/contract/serve.py wsgiref|waitress

It says where it listens, on a port of the system's choice. wsgiref's has the standard library's validator between.
"""

from __future__ import annotations

import importlib
import logging
import sys
from socketserver import BaseServer
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.validate import validator

from deston.l7 import app


class Quiet(WSGIRequestHandler):
    """Logs no requests."""

    def log_message(self, format: str, *arguments: object) -> None:
        return


def serve_wsgiref() -> None:
    server: WSGIServer = make_server("127.0.0.1", 0, validator(app), WSGIServer, Quiet)
    assert isinstance(server, BaseServer)
    print(f"listens on 127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


def serve_waitress() -> None:
    waitress = importlib.import_module("waitress")  # It has no types.
    # It writes a traceback for each response that cannot be completed.
    logging.getLogger("waitress").setLevel(logging.CRITICAL)
    # Whose word counts is for ``trusted_proxies`` to say.
    server = waitress.create_server(app, host="127.0.0.1", port=0, threads=4, clear_untrusted_proxy_headers=False)
    print(f"listens on 127.0.0.1:{server.effective_port}", flush=True)
    server.run()


if __name__ == "__main__":
    {"wsgiref": serve_wsgiref, "waitress": serve_waitress}[sys.argv[1]]()
