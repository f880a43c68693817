# The least that gunicorn's worker can do: nothing behind it can be faster.
BODY = b"@small@"
FIELDS = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]


def app(environ, start_response):  # type: ignore[no-untyped-def]
    start_response("200 OK", FIELDS)
    return [BODY]
