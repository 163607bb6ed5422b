"""Scenes of the demo in which a dossier is read, sealed, sent, corrected and received."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

from handover.demo.file import oso_file
from handover.demo.play import RECEIVER, SECTIONS, SENDER, Play, Words
from handover.demo.stage import Answer


def read_the_file(play: Play) -> None:
    """The school's system exports an OSO file; it is read and checked."""
    file = play.stage.folder / "export.xml"
    file.write_bytes(oso_file(date.today()))  # noqa: DTZ011 - a school's calendar is local
    ran = play.stage.run("oso", "read", file)
    play.expect("the OSO file reads", ran.code == 0)
    dossier = json.loads(ran.out)
    play.say(
        f"   read {len(dossier['sections'])} sections and {len(dossier['documents'])} documents from an OSO 2019.1 file"
    )
    for line in ran.err.splitlines():
        play.say(f"   {line}")


def open_transfer(play: Play, sender: str, receiver: str) -> str:
    """Register the pupil with two guardians, open a transfer, confirm the application, invite both."""
    stage, school = play.stage, play.schools[sender]
    holders = [
        {"name": "Sanne Voorbeeld", "mail": "sanne@gezin.example", "role": "guardian"},
        {"name": "Karim Denkbeeld", "mail": "karim@gezin.example", "role": "guardian"},
    ]
    evidence = {"kind": "gezagsregister", "date": datetime.now(UTC).date().isoformat(), "staff": "s-001"}
    pupil = {
        "number": "L-2042",
        "first_name": "Noor",
        "birth_date": f"{datetime.now(UTC).year - 12}-03-14",
        "custody": {"holders": holders, "evidence": evidence},
    }
    file = school.folder / "pupil.json"
    file.write_text(json.dumps(pupil), "utf-8")
    made = stage.do("transfer", "pupil", file, by=school)
    file.unlink()
    play.pupils[sender] = made["pupil"]
    play.people[sender] = [person["person"] for person in made["persons"]]
    words: Words = ["--pupil", made["pupil"], "--to", receiver, "--route", "POVO", "--purpose", "placement"]
    transfer: str = stage.do("transfer", "new", *words, "--sections", ",".join(SECTIONS), by=school)["transfer"]
    stage.do("transfer", "apply", transfer, by=play.schools[receiver])
    tokens = play.tokens.setdefault(sender, [])
    for person in play.people[sender]:
        stage.do("transfer", "invite", transfer, person, by=school)
        tokens.append(stage.newest_token())
    play.say(f"   transfer {transfer[:8]}: {sender} to {receiver}, asked: {', '.join(SECTIONS)}")
    return transfer


def seal_and_send(play: Play, transfer: str, sender: str, receiver: str, name: str, file: Path) -> Path:
    """Pack the dossier for the receiver alone, and send it with its release shares."""
    stage, school = play.stage, play.schools[sender]
    to = school.folder / f"{name}.to"
    stage.do("key", "get", receiver, "--out", to, by=school)
    bundle, shares = school.folder / f"{name}.bundle", school.folder / f"{name}.shares"
    words: Words = ["--transfer", transfer, "--purpose", "placement", "--route", "POVO"]
    words += ["--from", school.keyfile, "--to", to]
    packed = stage.do("pack", file, *words, "--out", bundle, "--shares", shares, "--sections", ",".join(SECTIONS))
    for left in packed["left_out"]:
        play.say(f"   left out        {left['place']}: {left['rule']}")
    stage.do("send", transfer, bundle, "--shares", shares, by=school)
    play.say(
        f"   sealed and sent {bundle.stat().st_size:,} bytes; the shares file was deleted after the service had it"
    )
    play.expect("the shares are gone from the sender's disk", not shares.exists())
    return bundle


def corrected_version(play: Play) -> None:
    """The parents correct a fact; a later version takes the place of the first."""
    file = play.stage.folder / "corrected.xml"
    text = (play.stage.folder / "export.xml").read_text("utf-8")
    file.write_text(text.replace("<advies>40</advies>", "<advies>42</advies>"), "utf-8")
    seal_and_send(play, play.transfer, SENDER, RECEIVER, "second", file)
    rows: list[Answer] = play.stage.do("inbox", by=play.schools[RECEIVER])["transfers"]
    play.expect("the receiver is told of the new version", rows[0]["superseded"])
    out = play.fetch(play.transfer, RECEIVER)
    assert out is not None
    play.expect("the new advice arrived", b'"42"' in (out / "dossier" / "dossier.json").read_bytes())
    play.say("   receiver sees   a newer version, and has it; the shares of the first were destroyed")


def acknowledgement(play: Play) -> None:
    """The receiver confirms receipt and says that the pupil is placed; the sender sees it."""
    play.stage.do("ack", play.transfer, "--placed", "--used-for", "class", by=play.schools[RECEIVER])
    row = play.row(play.transfer, SENDER)
    play.expect("the sender sees the acknowledgement", row["acknowledgement"]["placed"] is True)
    play.say(f"   sender sees     received, placed, used for: {', '.join(row['acknowledgement']['used_for'])}")
