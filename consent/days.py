"""On which days something was said or done about a pupil, as far as that stands in clear: no entry is opened.

For whoever looks through many pupils for the few at which a closer look is due. Nothing is decided by it.
"""

from collections.abc import Iterable
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from consent.inventory import tags
from consent.keystore import KeyStore
from consent.tables import JournalLookup


def first_and_last(
    session: Session, keystore: KeyStore, pupils: Iterable[str], types: Iterable[int]
) -> dict[str, tuple[date, date]]:
    """Give the first and the last day (UTC) of each pupil's entries of these types; who has none is left out."""
    owners = {tag: pupil for pupil, tag in tags(keystore, "pupil", pupils).items()}
    of_these = JournalLookup.pupil_tag.in_(list(owners)), JournalLookup.type.in_(list(types))
    days = func.min(JournalLookup.day), func.max(JournalLookup.day)
    found = session.execute(select(JournalLookup.pupil_tag, *days).where(*of_these).group_by(JournalLookup.pupil_tag))
    return {owners[tag]: (first, last) for tag, first, last in found if tag and first and last}
