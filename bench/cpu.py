"""CPU seconds of PostgreSQL under a bench. Used by bench/shops.py and bench/reminders.py."""

import psutil

from devstack.postgres import Postgres


def server_cpu(server: Postgres) -> float:
    """Those of all its processes so far, with those that have ended."""
    head = psutil.Process(server.running().pid)
    while True:
        own = head.cpu_times()
        total = float(own.user + own.system + own.children_user + own.children_system)
        try:
            times = [child.cpu_times() for child in head.children()]
        except psutil.NoSuchProcess:  # it has just ended, and is counted with the server's own next time
            continue
        return total + float(sum(each.user + each.system for each in times))
