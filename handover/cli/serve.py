"""`handover serve`: the service in the foreground."""

import sys

import click

APPLICATION = "handover.app:create_app()"
CONFIGURATION = "python:handover.serving"


@click.command()
def serve() -> None:
    """Run the service with the settings of the environment, until it is stopped."""
    from gunicorn.app.wsgiapp import run

    from handover.parts import assemble
    from handover.settings import load

    # What keeps the service from starting is told once here, with exit code 2, and not by every worker.
    assemble(load()).close()
    sys.argv = ["gunicorn", "--config", CONFIGURATION, APPLICATION]
    run()
