"""A command with a fault in it, to see what the command line says of one."""

import click


@click.command()
def broken() -> None:
    """Fail while handling a name."""
    names = {"Quirijntje": 0}
    click.echo(str(1 // names["Quirijntje"]))
