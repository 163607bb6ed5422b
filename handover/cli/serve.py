"""`handover serve`: the service in the foreground."""

import sys

import click

APPLICATION = "handover.app:create_app()"
CONFIGURATION = "python:handover.serving"


@click.command()
def serve() -> None:
    """Run the service with the settings of the environment, until it is stopped."""
    from gunicorn.app.wsgiapp import run

    from handover.settings import load

    load()  # a fault is told once here, and not by every worker
    sys.argv = ["gunicorn", "--config", CONFIGURATION, APPLICATION]
    run()
