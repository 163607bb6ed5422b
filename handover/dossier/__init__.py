from handover.dossier.attachments import examine
from handover.dossier.completeness import completeness
from handover.dossier.dossier import Dossier, document, dump, from_json, load, to_json
from handover.dossier.problems import DossierRefused, Problem
from handover.dossier.rules import problems, travelling

__all__ = [
    "Dossier",
    "DossierRefused",
    "Problem",
    "completeness",
    "document",
    "dump",
    "examine",
    "from_json",
    "load",
    "problems",
    "to_json",
    "travelling",
]
