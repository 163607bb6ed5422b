"""gunicorn's configuration for the container: the same as `handover serve` uses, from one place."""

from handover.serving import *  # noqa: F403
