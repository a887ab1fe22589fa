"""auth's routes: each handler parses, calls the service layer and answers."""

from auth.routes import discovery, invitations, passwords, sessions, signups

ROUTERS = (signups.router, sessions.router, invitations.router, passwords.router, discovery.router)
