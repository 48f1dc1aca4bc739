#!/usr/bin/env python3
"""Cache on the disk: the answer is there after the gateway was killed, and a damaged file is a miss and no more."""

import signal

from stage import HERE, Stage, claim, eventually, play, say

QUESTION = "What is the capital of Kenya?"


def demonstrate(stage: Stage) -> None:
    folder = stage.folder / "cache"
    gateway = stage.gateway(HERE / "cache_disk.yaml", CACHE_FOLDER=folder)
    simulator = stage.simulator

    say("A question, and the gateway is killed.")
    first = gateway.chat(QUESTION)
    files = eventually(lambda: folder.exists() and [f for f in folder.rglob("*") if f.is_file()], "the answer is in the folder")
    claim(len(files) >= 1, "the folder holds the answer", f"{sum(f.stat().st_size for f in files)} bytes")
    gateway.restart(signal.SIGKILL)
    simulator.forget()
    second = gateway.chat(QUESTION)
    claim(second.hit and second.json == first.json, "after the restart it is a hit", second.text)
    claim(not simulator.requests("chat"), "the model was not asked")

    say("Every file of the cache is damaged.")
    for file in (f for f in folder.rglob("*") if f.is_file()):
        text = bytearray(file.read_bytes())
        for at in range(0, len(text), 7):
            text[at] ^= 0x20
        file.write_bytes(text)
    gateway.restart()
    reply = gateway.chat(QUESTION)
    claim(not reply.hit and reply.text == first.text, "the call is a miss, and is answered", reply.text)
    claim(gateway.chat(QUESTION).hit, "and the next one is a hit again")


play(demonstrate, __doc__)
