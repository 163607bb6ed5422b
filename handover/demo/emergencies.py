"""A scene of the demo in which something can't wait for the family's answer."""

from dataclasses import replace

from handover.demo.play import RECEIVER, SENDER, Play, Words


def emergency(play: Play) -> None:
    """Two of the sender's staff let one section go before the second guardian has answered; everybody is told."""
    stage, first = play.stage, play.schools[SENDER]
    second, told = replace(first, staff="s-002"), len(stage.messages())
    reason = first.folder / "reason.txt"
    reason.write_text("De leerling heeft vandaag medicijnen nodig, en ouder 2 is niet te bereiken.", "utf-8")
    why: Words = ["--ground", "vitaal_belang", "--sections", "support", "--hours", "24", "--reason", reason]
    proposal = stage.do("emergency", "propose", play.transfer, *why, by=first)["proposal"]
    reason.unlink()
    play.say("   s-001 proposes  support, for 24 hours, on the ground vitaal_belang; and tries to confirm it alone")
    play.say(f"   service says    {stage.refused('emergency', 'confirm', proposal, by=first)}")
    event = stage.do("emergency", "confirm", proposal, by=second)["event"]
    play.say("   s-002 confirms")
    messages = stage.messages()[told:]
    for message in messages:
        play.say(f"   told at once    {message.to}: {message.subject}")
    play.expect("two guardians and the FG are told", len({message.to for message in messages}) == 3)
    out = play.fetch(play.transfer, RECEIVER)
    play.expect("one section is released", out is not None)
    stage.do("emergency", "end", play.transfer, event, by=first)
    play.say("   s-001 ends it   before its time")
    play.expect("nothing is released any more", play.fetch(play.transfer, RECEIVER) is None)
