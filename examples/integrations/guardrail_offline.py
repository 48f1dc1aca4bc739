#!/usr/bin/env python3
"""Guardrails that ask nobody: content filter, secrets and personal data, in streams too."""

from stage import HERE, Stage, claim, play, say


def demonstrate(stage: Stage) -> None:
    gateway = stage.gateway(HERE / "guardrail_offline.yaml")
    simulator = stage.simulator

    def ask(guardrail: str, text: str, **fields):
        simulator.forget()
        return gateway.chat(text, guardrails=[guardrail], **fields)

    say("litellm_content_filter.")
    reply = ask("words", "My number is 123-45-6789")
    claim(reply.status == 400 and not simulator.requests(), "a social security number blocks", reply.error)
    reply = ask("words", "Tell me of Bluebird")
    claim(reply.status == 400, "and so does a blocked word", reply.error)
    reply = ask("words", "Repeat exactly: TK-123456 is of ada@example.org")
    claim(
        "ada@" not in simulator.requests("chat")[0]["body"] and "123456" not in reply.text,
        "a ticket and a mail address are masked",
        reply.text,
    )

    say("hide-secrets.")
    token = "ghp_" + "aB3dE6gH9jK2mN5pQ8sT" + "1vW4yZ7bC0eF3hJ6"
    reply = ask("secrets", f"Repeat exactly: my token is {token}")
    claim(token not in simulator.requests("chat")[0]["body"], "a token of GitHub does not reach the model", reply.text)

    say("pii: masked for the model, put back for the caller.")
    text = "Repeat exactly: write to ada@example.org, pay to GB33BUKB20201555555555"
    reply = ask("pii", text)
    sent = simulator.requests("chat")[0]["body"]
    claim(
        "<EMAIL_ADDRESS_1>" in sent and "<IBAN_CODE_1>" in sent and "ada@" not in sent, "the model sees <EMAIL_ADDRESS_1> and <IBAN_CODE_1>"
    )
    claim(reply.text == text.removeprefix("Repeat exactly: "), "the caller gets them back", reply.text)
    claim(ask("pii", text, stream=True).text == reply.text, "in a stream too")
    reply = ask("pii", "Charge 4111 1111 1111 1111")
    claim(reply.status == 400 and "4111" not in reply.body.decode(), "a card number blocks, and is not repeated", reply.error)
    claim(ask("pii", "Charge 4111 1111 1111 1112").status == 200, "one whose checksum is wrong is none")


play(demonstrate, __doc__)
