"""The one HTTP client for servers on this machine that are asked often: whether they run, and what they hold.

A call of `httpx.get` makes a client of its own and with it a context of TLS, 48 ms of CPU each; who waits for a
start asks twenty times a second. Used by `mailpit` and by the tests.
"""

import ssl

import httpx

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For a client of one's own that speaks plain HTTP: it trusts nobody, and costs nothing to make."""
LOCAL_HTTP = httpx.Client(trust_env=False, verify=NO_TLS, limits=httpx.Limits(max_keepalive_connections=0))
"""Plain HTTP, no proxy. No connection outlives its request: a server that was killed is asked by a new one."""
