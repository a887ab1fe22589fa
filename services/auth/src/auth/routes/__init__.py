"""auth's routes: each handler parses, calls the service layer and answers."""

from auth.routes import discovery, invitations, members, passwords, sessions, signups

ROUTERS = (
    signups.router,
    sessions.router,
    invitations.router,
    members.router,
    passwords.router,
    discovery.router,
)
