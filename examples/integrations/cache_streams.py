#!/usr/bin/env python3
"""Cache of streams and embeddings: streams replayed as streams, inputs one by one, and twenty equal calls as one."""

import concurrent.futures
import json

from stage import HERE, Stage, claim, play, say


def demonstrate(stage: Stage) -> None:
    gateway = stage.gateway(HERE / "cache_streams.yaml")
    simulator = stage.simulator
    key = gateway.make_key()

    say("A stream, the same as a stream, and the same in one piece.")
    question = "Write a story of 60 words about a lighthouse"
    first = gateway.chat(question, key=key, stream=True, stream_options={"include_usage": True})
    text = first.text
    claim(text.count(" ") > 40, "the model streams a story", text[:40] + "...")
    again = gateway.chat(question, key=key, stream=True, stream_options={"include_usage": True})
    claim(
        again.hit and "text/event-stream" in again.headers["content-type"],
        "the second is a hit, and a stream",
        f"{len(again.events)} events",
    )
    claim(again.text == text and len(again.events) > 3, "with the same text in pieces")
    claim(again.events[-1]["usage"] == first.events[-1]["usage"], "and the same usage", again.events[-1]["usage"]["total_tokens"])
    whole = gateway.chat(question, key=key)
    claim(whole.hit and whole.text == text, "who wants one piece gets it from there")
    claim(len(simulator.requests("chat")) == 1, "the model was asked once, by its own count", 1)

    say("Embeddings: three texts, then five, of which two are new.")
    three = gateway.embed(["red", "green", "blue"], key=key)
    simulator.forget()
    five = gateway.embed(["red", "white", "green", "black", "blue"], key=key)
    asked = [json.loads(r["body"])["inputs"] for r in simulator.requests("embed")]
    claim(asked == [["white", "black"]], "the model is asked for the two", asked)
    vectors = [e["embedding"] for e in five.json["data"]]
    claim(vectors[::2] == [e["embedding"] for e in three.json["data"]] and all(vectors), "and all five come in their order")
    claim(five.cost < three.cost, "two are paid for", five.cost)

    say("Twenty equal calls at once, of a model that thinks for a second.")
    simulator.forget()
    simulator.fault(op="chat", latency="1s")
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda _: gateway.chat("What is the capital of Egypt?", key=key), range(20)))
    simulator.mend()
    claim(all(r.text == "Cairo." for r in replies), "all twenty are answered", replies[0].text)
    claim(len(simulator.requests("chat")) == 1, "the model was asked once, by its own count", 1)
    paid = sum(r.cost > 0 for r in replies)
    claim(paid == 1, "and one of them is paid for", paid)


play(demonstrate, __doc__)
