"""gunicorn starts uvicorn's workers: `gunicorn --config deploy/gunicorn.conf.py config.asgi:application`.

Its variables stand in .env.example. `pip install "djust[server]"` brings what is named here: without uvloop,
`--loop uvloop` is an error, and without websockets every WebSocket is answered with a plain 404.
"""

import math
import os

# `uvicorn.workers.UvicornWorker` is deprecated: uvicorn has moved it into a package of its own.
from uvicorn_worker import UvicornWorker

from djust.log import logging_config


class Worker(UvicornWorker):
    """uvicorn's worker with the options that gunicorn has no names for."""

    CONFIG_KWARGS = {
        "loop": "uvloop",
        "http": "httptools",
        # `websockets` is the implementation on websockets' legacy interface, which warns that it is deprecated.
        "ws": "websockets-sansio",
        # Compression takes 100 kB and more of memory for each connection, and frames carry only what has changed.
        "ws_per_message_deflate": os.environ.get("WS_COMPRESSION") == "1",
        # Bytes of a frame that uvicorn reads at most. The site closes above FRAME_MAX_BYTES, with a reason that the
        # page understands; 16 MB, the default, would be in memory before it could.
        "ws_max_size": 262_144,
        "server_header": False,
        # Seconds for pages and sockets to end after SIGTERM. gunicorn's own patience, below, has to be longer.
        "timeout_graceful_shutdown": 20,
    }


worker_class = Worker

# Behind nginx on the same machine take 127.0.0.1:8001 and so on: nobody should get past nginx.
bind = os.environ.get("BIND") or "0.0.0.0:8000"

# One for each core that this server may use. Twice the cores and one more is a rule for workers that wait; these do
# not, and each holds its own connections to Redis. Three servers on one machine share its cores.
workers = int(os.environ.get("WEB_CONCURRENCY") or "1")

# Whose X-Forwarded-For is believed: nginx's address. With `*` any visitor who gets past nginx could be anybody.
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS") or "127.0.0.1"

# Seconds. A worker whose event loop hangs for so long is killed and started anew.
timeout = 60
graceful_timeout = 25 + math.ceil(float(os.environ.get("DRAIN_SECONDS") or "0"))
# Longer than nginx keeps its connections (nginx.conf: keepalive_timeout of the upstream), so that nginx closes first.
keepalive = 75

# Not in a file system that may wait for a disk, or a worker that works would look like one that hangs.
worker_tmp_dir = "/dev/shm"
# Three servers of one user would share one path for it.
control_socket_disable = True
# A worker that ends because it has answered so many requests would take all its sockets with it.
max_requests = 0

# Started in each worker by itself: connections to Redis do not survive a fork.
preload_app = False

# The lines of gunicorn and uvicorn look like those of the site, and the settings decide which are written.
# `--log-level warning` would silence `--access-log`, whose lines are of the level INFO: ACCESS_LOG=0 does only that.
_level = (os.environ.get("LOG_LEVEL") or "INFO").upper()
logconfig_dict = logging_config(json=(os.environ.get("LOG_FORMAT") or "json") == "json", level=_level)
# The worker gives uvicorn's loggers what these have, so they need a handler of their own.
for _name in ("gunicorn.error", "gunicorn.access"):
    logconfig_dict["loggers"][_name] = {"handlers": ["stderr"], "propagate": False, "level": _level}
