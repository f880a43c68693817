"""A Django application in front, and a pool behind it for what it does not know yet.

    gunicorn examples.django_shop:app

The other way round than flask_shop.py: Django is asked first, and what it answers with 404 goes to the pool.
"""

from __future__ import annotations

import os

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

from deston.l7 import wrap

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        SECRET_KEY=os.environ.get("SECRET_KEY", "for the example only"),
        USE_TZ=True,
    )
    django.setup()


def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse("the new shop")


def basket(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"a basket of {len(request.body)} bytes")


urlpatterns = [path("", home), path("basket", basket)]

CONFIG = os.environ.get("DESTON_CONFIG") or os.path.join(os.path.dirname(__file__), "shop.conf")

app = wrap(get_wsgi_application(), CONFIG, fallback="pool")
