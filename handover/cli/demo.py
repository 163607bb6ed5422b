"""`handover demo`: the whole story, with real keys, against a real service on this machine."""

import tempfile
import time
from pathlib import Path

import click

SUMMARY = (
    ("Nothing was sent while one parent hadn't answered.", "Zolang een ouder niet had geantwoord, ging er niets weg."),
    (
        "The new school got what both parents allowed, and not the report. It can't tell that there was one.",
        "De nieuwe school kreeg wat beide ouders goed vonden, en niet het verslag. Zij kan niet zien dat er een was.",
    ),
    (
        "When it couldn't wait, two people let one part go for a day. The parents and the FG heard it at once.",
        "Toen er haast bij was, lieten twee mensen één deel gaan. De ouders en de FG hoorden het meteen.",
    ),
    (
        "Another school, a changed file and a swapped key were refused.",
        "Een andere school, een veranderd bestand en een verwisselde sleutel werden geweigerd.",
    ),
    ("A correction replaced the first version.", "Een verbetering kwam in de plaats van de eerste versie."),
    ("After a parent withdrew, nothing more was sent.", "Toen een ouder zich bedacht, ging er niets meer weg."),
    (
        "The old school saw that the dossier arrived and that the pupil has a place.",
        "De oude school zag dat het dossier aankwam en dat de leerling een plek heeft.",
    ),
    (
        "Where the board follows the law, parents read first, and got time.",
        "Waar het bestuur de wet volgt, lazen de ouders eerst, en kregen zij tijd.",
    ),
    (
        "A parent can read who had which part, when, and why that was allowed.",
        "Een ouder kan lezen wie welk deel kreeg, wanneer, en waarom dat mocht.",
    ),
    (
        "The FG searched the log of the own board, and that was logged too. One changed character was found.",
        "De FG doorzocht het logboek van het eigen bestuur, en ook dat staat erin. Eén veranderd teken viel op.",
    ),
    (
        "Who edits the log is noticed; an old copy of the database isn't used.",
        "Wie het logboek verandert, valt op; een oude kopie van de database wordt niet gebruikt.",
    ),
    (
        "When the operator put everything back, the FG's own computer noticed, and nothing more was sent.",
        "Toen de beheerder alles terugzette, merkte de computer van de FG dat, en ging er niets meer weg.",
    ),
    (
        "What was received is destroyed after a month, and there is a certificate of that.",
        "Wat is aangekomen, wordt na een maand vernietigd, en daar is een bewijs van.",
    ),
    (
        "After five years the pupil is erased. The proof that all went right still holds.",
        "Na vijf jaar is de leerling gewist. Het bewijs dat alles goed ging, klopt nog steeds.",
    ),
)

VERIFY = "handover journal verify de-linde/fg/export.jsonl.zst --key register/trust.txt --checkpoint checkpoint.txt"


@click.command()
@click.option("--keep", type=click.Path(path_type=Path), help="New folder that keeps everything to look at.")
def demo(keep: Path | None) -> None:
    """Play the whole handover on this machine, from nothing, and end by itself."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="overdracht-demo-") as folder:
            _play(Path(folder))
        return
    keep = keep.absolute()
    keep.mkdir(mode=0o700, parents=True)
    _play(keep)
    click.echo(f"\nEverything is in {keep}. Look at the page of an opened dossier: het-baken/99BB00/fetched-*/dossier/")
    click.echo(f"The FG's export can be verified on any machine: {VERIFY}")


def _play(folder: Path) -> None:
    from handover.demo.play import Play
    from handover.demo.stage import Stage
    from handover.demo.story import SCENES

    began = time.monotonic()
    stage = Stage(folder)
    play = Play(stage, click.echo)
    try:
        for number, (title, scene) in enumerate(SCENES.items(), 1):
            click.echo(f"\n{number:2}. {title}")
            scene(play)
    finally:
        stage.stop()
    click.echo("\nWhat happened")
    for english, _ in SUMMARY:
        click.echo(f"  - {english}")
    click.echo("\nIn het Nederlands")
    for _, dutch in SUMMARY:
        click.echo(f"  - {dutch}")
    click.echo(
        f"\nPlayed {len(SCENES)} scenes in {time.monotonic() - began:.0f} s. No file, key or name in it is real."
    )
