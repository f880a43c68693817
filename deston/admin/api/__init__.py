"""The JSON API of ``deston admin``: one table of routes, a handler for each, and the document that describes them."""
