"""Renders templates/*.jinja with cases.json by jinja2, set up as transformers' chat templates are, into goldens.json.

    python3 make_goldens.py

Needs jinja2 (3.1.6 made the file that is here).
"""

import datetime
import json
import pathlib

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox

HERE = pathlib.Path(__file__).resolve().parent
NOW = datetime.datetime(2025, 3, 7, 9, 5, 2)


class Generation(jinja2.ext.Extension):
    """{% generation %}: a block whose place transformers records; its text is passed on."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        call = self.call_method("passed", [], lineno=line)
        return jinja2.nodes.CallBlock(call, [], [], body).set_lineno(line)

    def passed(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def environment():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = NOW.strftime
    return env


def main():
    env = environment()
    cases = json.loads((HERE / "cases.json").read_text(encoding="utf-8"))
    goldens = {}
    for path in sorted((HERE / "templates").glob("*.jinja")):
        for name, variables in cases.items():
            with open(path, encoding="utf-8", newline="") as f:
                source = f.read()
            try:
                golden = {"text": env.from_string(source).render(**variables)}
            except jinja2.exceptions.TemplateError as e:
                golden = {"error": str(e)}
            except TypeError as e:
                golden = {"error": str(e)}
            goldens[f"{path.stem}/{name}"] = golden
    text = json.dumps(goldens, ensure_ascii=False, indent=1)
    (HERE / "goldens.json").write_text(text + "\n", encoding="utf-8")


main()
