"""A scene of the demo in which those try whom the dossier isn't for."""

from handover.demo.play import OTHER, RECEIVER, SECTIONS, SENDER, Play, Words


def others_try(play: Play) -> None:
    """Another school, a changed byte, another school's key: each is refused."""
    stage, other, receiver = play.stage, play.schools[OTHER], play.schools[RECEIVER]
    refused = stage.refused("fetch", play.transfer, "--out", other.folder / "x", by=other)
    play.say(f"   another school asks:             {refused}")
    fetched = receiver.folder / f"fetched-{play.fetched}"
    sender, again = play.schools[SENDER].public, fetched / "again"
    opening: Words = ["--sender", sender, "--shares", fetched / "shares.json", "--out", again]
    refused = stage.refused("open", fetched / "bundle", "--key", other.keyfile, *opening)
    play.say(f"   another school opens the file:   {refused}")
    data = bytearray((fetched / "bundle").read_bytes())
    data[len(data) // 2] ^= 1
    changed = fetched / "bundle.changed"
    changed.write_bytes(data)
    refused = stage.refused("open", changed, "--key", receiver.keyfile, *opening)
    play.say(f"   one bit of it was changed:       {refused}")
    play.expect("no plaintext was left behind", not again.exists() and not list(fetched.glob(".again*")))
    _swapped_key(play)


def _swapped_key(play: Play) -> None:
    """Somebody puts other keys in the receiver's place; the sender's own check of the key log notices."""
    stage, sender, forger = play.stage, play.schools[SENDER], play.stage.folder / "de-eik"
    forged = forger / "forged.pub"
    words: Words = ["--school", RECEIVER, "--identity", forger / "identity"]
    words += ["--previous", play.schools[RECEIVER].public]
    stage.do("key", "new", "--out", forger / "forged", "--public", forged, *words)
    bundle, shares = sender.folder / "swapped.bundle", sender.folder / "swapped.shares"
    files: Words = ["--from", sender.keyfile, "--to", forged, "--out", bundle, "--shares", shares]
    order = ["--transfer", play.transfer, "--purpose", "placement", "--route", "POVO", "--sections", ",".join(SECTIONS)]
    stage.do("pack", stage.folder / "export.xml", *order, *files)
    refused = stage.refused("send", play.transfer, bundle, "--shares", shares, by=sender)
    play.say(f"   sealed to a swapped public key:  {refused}")
    play.say(f"   that key put to the service:     {stage.refused('key', 'publish', forged)}")
