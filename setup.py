"""Deston's metadata, its two commands and what they need."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

RUNTIME = [
    "click>=8.2.1",  # Before 8.2 its test runner mixes in standard error, and 8.2.0 completes no nested command.
    "configobj>=5.0.9",  # 5.0.8 and older can be made to hang by a value (CVE-2023-26112).
    "cryptography>=42",  # Reads which names a certificate is for.
    "dnspython>=2.6.1",  # Asks for services and times to live; older ones can be kept waiting (CVE-2023-29483).
    "flask>=3.1",  # Bounds bodies that tell no length, too; serves `deston admin` alone.
    "gevent>=24.10.1",  # What gunicorn's gevent worker asks for; the first with wheels for Python 3.13.
    "gunicorn>=27,<28",  # The arbiter and the worker classes are subclassed, so a new major release is looked at first.
    "h2>=4.1,<5",  # What gunicorn speaks HTTP/2 with (its extra `http2`).
    "mypy_extensions>=1",  # Tells the compiler what it cannot see; one small module.
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
