#!/usr/bin/env python3
"""Guardrail by Microsoft Presidio's own analyzer and anonymizer: mask, put back, block, in streams too."""

from backends import Presidio
from stage import HERE, Stage, claim, play, say

MAIL = "Repeat exactly: 🦊 write to ada@example.org today"


def demonstrate(stage: Stage) -> None:
    presidio = Presidio(stage)
    gateway = stage.gateway(HERE / "guardrail_presidio.yaml", PRESIDIO_URL=presidio.url)
    simulator = stage.simulator

    say("A mail address, with output_parse_pii.")
    reply = gateway.chat(MAIL, guardrails=["pii"])
    sent = simulator.requests("chat")[-1]["body"]
    claim("ada@example.org" not in sent and "<EMAIL_ADDRESS_1>" in sent, "the model sees <EMAIL_ADDRESS_1>")
    claim(reply.text == "🦊 write to ada@example.org today", "the caller gets the address back", reply.text)
    streamed = gateway.chat(MAIL, guardrails=["pii"], stream=True)
    claim(streamed.text == reply.text, "in a stream too", f"{len(streamed.events)} events")

    say("Masked for good, by Presidio's anonymizer.")
    reply = gateway.chat(MAIL, guardrails=["pii-mask"])
    claim(reply.text == "🦊 write to <EMAIL_ADDRESS> today", "the address is gone, the fox and the rest are whole", reply.text)
    reply = gateway.chat("Repeat exactly: pay to GB33BUKB20201555555555", guardrails=["pii-mask"])
    claim(reply.text == "pay to <IBAN_CODE>", "an IBAN too", reply.text)
    reply = gateway.chat("Repeat exactly: pay to GB33BUKB20201555555556", guardrails=["pii-mask"])
    claim(reply.text == "pay to GB33BUKB20201555555556", "not one whose checksum is wrong", reply.text)

    say("A card number, which the file says to block.")
    simulator.forget()
    reply = gateway.chat("Charge 4111 1111 1111 1111 please", guardrails=["pii-mask"])
    claim(reply.status == 400 and not simulator.requests(), "it is refused, and the model was not asked", reply.error)
    claim("4111" not in reply.body.decode() and "4111" not in gateway.process.said(), "neither the refusal nor the log repeats it")

    say("Presidio goes away.")
    presidio.process.end()
    reply = gateway.chat(MAIL, guardrails=["pii"])
    claim(reply.status == 500 and not simulator.requests(), "the call is refused: nothing leaves unmasked", reply.error)


play(demonstrate, __doc__)
