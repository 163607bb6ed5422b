from handover.oso.reader import ReadResult, read
from handover.oso.writer import unwritten, write

__all__ = ["ReadResult", "read", "unwritten", "write"]
