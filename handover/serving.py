"""How the service is run by gunicorn: this module is its configuration, for `handover serve` and for deployment alike.

Threads wait for the database and the disk; processes use the cores. Access lines are the application's own: gunicorn's
would hold addresses. Of a proxy nothing is believed: an address is built from the configured origin alone.

gunicorn's first process reads it, so that no restore begins as long as that one or any that it started runs.
"""

from handover.running import share
from handover.settings import load

_settings = load()
share(_settings.home)

bind = _settings.bind
workers = _settings.workers
worker_class = "gthread"
threads = _settings.threads
timeout = 120
graceful_timeout = 30
keepalive = 5
umask = 0o077
accesslog = None
errorlog = "-"
loglevel = "warning"
forwarded_allow_ips = ""
limit_request_line = 4094
limit_request_fields = 40
limit_request_field_size = 8190
server_software = "overdracht"
