"""All scenarios, in the order of the list of causes."""
from . import clean, connect, handshake, established, proxies, timers, boxes, vantages, patterns, seldom, unseen, rustls, inspection, mail, databases, farewells, office  # noqa: F401
