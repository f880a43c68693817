"""Deston's metadata, its two commands and what they need, and what of it is compiled.

Where a C compiler and Python's headers are, the modules that each request passes through are compiled as they are, by
mypyc; the others stay Python, and so do all without a compiler. ``DESTON_COMPILE=no`` leaves everything Python,
``DESTON_COMPILE=yes`` asks for it to be compiled. An editable installation is of Python, so that an edit counts, but
for the system calls, which are C in any case.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, find_packages, setup

HERE = Path(__file__).parent

# On the path of a request, a connection or their bytes. Not here: what has interpreted subclasses (policies), weak
# references (limits), attributes that others add (errors), or inherits from a list (l7.fields).
COMPILED = (
    "address", "clock", "repeats", "traffic", "waiting",
    "balancer/histogram", "balancer/pool", "balancer/queue", "balancer/registry", "balancer/server",
    "config/http_rules", "config/model",
    "l7/admission", "l7/attempt", "l7/body", "l7/cache", "l7/client_body", "l7/connection", "l7/exchange", "l7/front",
    "l7/headers", "l7/http1", "l7/incoming", "l7/leaving", "l7/opening", "l7/plan", "l7/proxy", "l7/reading",
    "l7/request", "l7/retry", "l7/rewriting", "l7/routing", "l7/site", "l7/start", "l7/stopping", "l7/terms", "l7/way",
    "net/byte_stream", "net/fake", "net/hub", "net/relay", "net/secure_relay", "net/socket_errors", "net/stream",
    "net/tcp", "net/tls_stream",
)  # fmt: skip
# What setuptools is asked for when it builds what is installed; other commands only read the metadata.
BUILDS = {"bdist_wheel", "build", "build_ext", "editable_wheel", "install"}
# The types are checked elsewhere, with the libraries at hand, which are not there where a wheel is built.
CHECKS = ("--config-file=", "--ignore-missing-imports", "--follow-imports=silent")
WISHES = ("", "no", "yes")

RUNTIME = [
    "click>=8.2.1",  # Before 8.2 its test runner mixes in standard error, and 8.2.0 completes no nested command.
    "configobj>=5.0.9",  # 5.0.8 and older can be made to hang by a value (CVE-2023-26112).
    "cryptography>=42",  # Reads which names a certificate is for.
    "dnspython>=2.6.1",  # Asks for services and times to live; older ones can be kept waiting (CVE-2023-29483).
    "flask>=3.1",  # Bounds bodies that tell no length, too; serves `deston admin` alone.
    "gevent>=24.10.1",  # What gunicorn's gevent worker asks for; the first with wheels for Python 3.13.
    "gunicorn>=27,<28",  # The arbiter and the worker classes are subclassed, so a new major release is looked at first.
    "h2>=4.1,<5",  # What gunicorn speaks HTTP/2 with (its extra `http2`).
    "packaging>=23",  # gunicorn's gevent worker imports it without requiring it.
    "prometheus_client>=0.21",  # Writes what Prometheus reads.
    "requests>=2.32.4",  # Older ones can send .netrc credentials to the wrong host (CVE-2024-47081).
    "rich>=13.9",  # Draws `deston top`; the screen's size can be set, and it leaves colours out with NO_COLOR.
    "tomli>=2; python_version < '3.11'",  # The standard library has tomllib from 3.11 on.
]
# gunicorn's request parser in C. It comes as source only, so it cannot be required where there may be no compiler.
FAST = ["gunicorn_h1c>=0.6,<0.7"]
DEV = [
    "coverage>=7.10",  # The first that measures forked and started processes by itself (`patch`).
    "django>=4.2",  # Of the examples.
    "h11>=0.16",  # The parser that ours is compared with; older ones take anything for the end of a chunk.
    "hypothesis>=6.100",
    "mypy>=1.14",
    "playwright>=1.49",  # Drives the Chromium of the machine; it is not asked for one of its own.
    "pytest>=8.3",
    "pytest-cov>=7",  # From here on it leaves processes to coverage.
    "pytest-randomly>=3.16",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.6",
    "pyuwsgi>=2.0.28; sys_platform == 'linux'",  # uWSGI, where there is no compiler.
    "ruff>=0.9",
    "types-gevent",
    "types-requests",
    "waitress>=3",
    "websockets>=15",  # The first whose clients and servers in threads have all that the asynchronous ones have.
]


def read_version() -> str:
    """The version that deston/__init__.py states, read without importing it."""
    source = (HERE / "deston" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    if found is None:
        raise RuntimeError("deston/__init__.py states no version")
    return found.group(1)


def can_compile() -> bool:
    """Whether a C compiler and Python's headers are here; ``scripts/venv`` asks the same."""
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    return shutil.which(compiler) is not None and (Path(sysconfig.get_path("include")) / "Python.h").exists()


def extensions() -> list[Extension]:
    """What is compiled, by what ``DESTON_COMPILE`` says and what is here."""
    wish = os.environ.get("DESTON_COMPILE", "")
    if wish not in WISHES:
        raise SystemExit(f"DESTON_COMPILE is {wish!r}; it may be yes or no")
    if wish == "no" or not BUILDS & set(sys.argv):
        return []
    if not can_compile():
        if wish == "yes":
            raise SystemExit("DESTON_COMPILE is yes, but there is no C compiler, or Python's headers are missing")
        print("without a C compiler and Python's headers Deston stays Python")
        return []
    calls = Extension("deston.net._calls", ["deston/net/_calls.c"])
    if "editable_wheel" in sys.argv:
        return [calls]
    try:
        return [calls, *compiled_modules()]
    except SystemExit:  # So mypyc ends, having said why.
        if wish == "yes":
            raise
        print("mypyc cannot compile Deston here: it stays Python")
        return [calls]


def compiled_modules() -> list[Extension]:
    """The modules that are compiled as they are."""
    from mypyc.build import mypycify

    paths = [f"deston/{name}.py" for name in COMPILED]
    modules = mypycify([*CHECKS, *paths], opt_level="2", multi_file=True, group_name="deston")
    for module in modules:  # Another compiler may warn of what this one does not.
        module.extra_compile_args = [one for one in module.extra_compile_args if one != "-Werror"]
    return modules


setup(
    name="deston",
    version=read_version(),
    description="A load balancer for TCP, UDP and HTTP in Python, on gevent",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="Deston contributors",
    license="MIT",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    ext_modules=extensions(),
    packages=find_packages(include=["deston", "deston.*"]),
    package_data={
        "deston": ["py.typed"],
        "deston.admin": ["dashboard/*", "dashboard/vendor/*"],
        "deston.config": ["spec.ini"],
    },
    install_requires=RUNTIME,
    extras_require={"dev": DEV, "fast": FAST},
    entry_points={
        "console_scripts": [
            "deston-l4 = deston.l4.cli:main",
            "deston = deston.admin.cli:main",
        ],
    },
    classifiers=[
        "Environment :: Console",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Internet :: Proxy Servers",
        "Topic :: Internet :: WWW/HTTP :: WSGI",
        "Topic :: System :: Networking",
        "Typing :: Typed",
    ],
)
