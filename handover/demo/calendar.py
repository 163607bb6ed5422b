"""A day that hasn't come: the operator's commands of the demo, run as they would be weeks or years later.

Nobody waits a month for a demo. What is due then is found by the same sweep, in the same databases; only the calendar
of that one process is ahead.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from handover import parts
from handover.settings import Settings


def ahead(days: int) -> None:
    """Set the calendar of this process so many days ahead, for the service's parts alone."""
    assembled = parts.assemble

    def later() -> datetime:
        return parts.now() + timedelta(days=days)

    def assemble(settings: Settings, clock: Callable[[], datetime] = later) -> parts.Parts:
        return assembled(settings, clock)

    parts.assemble = assemble
