"""Writes the known differences as a page of the reference: docs/reference/differences-from-litellm.md."""

import pathlib

import yaml

from differential import HERE, KINDS

PAGE = HERE.parents[1] / "docs" / "reference" / "differences-from-litellm.md"
HEAD = """# Where Tollgate differs from LiteLLM

<!-- Generated from test/litellm/differences.yaml by test/litellm/document.py. Do not edit. -->

The same {cases} cases were put to the LiteLLM proxy {version} and to Tollgate, on the same configuration and in front of
the same upstream (`make test-litellm`). What they answered, which headers they set and what they sent upstream was compared
leaf by leaf. This is every difference that was found; the test fails on any other.
"""


def main():
    from cases import CASES

    version = next(
        line.removeprefix("litellm==").strip()
        for line in (HERE / "requirements.txt").read_text().splitlines()
        if line.startswith("litellm==")
    )
    entries = yaml.safe_load((HERE / "differences.yaml").read_text())["differences"]
    text = HEAD.format(cases=len(CASES), version=version)
    for kind, title in KINDS.items():
        text += f"\n## {title}\n\n| Difference | Reason |\n| --- | --- |\n"
        for e in entries:
            if e["kind"] == kind:
                text += f"| {cell(e['what'])} | {cell(e['reason'])} |\n"
    pathlib.Path(PAGE).parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text)


def cell(text):
    return text.strip().replace("|", "\\|")


if __name__ == "__main__":
    main()
