"""The command line. One file per group of commands."""


def main() -> None:
    """Run the command line."""
