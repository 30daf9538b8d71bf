"""Holds the survey's verdicts against imports made without wsgiaudit, and tells what each module was made with.

    python3.14 -I reports/spot_check.py

The header of reports/survey.json names the environments. Takes what tells of machines out of that report (the header;
where a wheel's builder kept its crates); writes reports/spot-check.json and reports/toolchains.json.
"""

import json
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
EVERY = 8
TIMEOUT = 120

IMPORT = "import importlib; importlib.import_module({name!r})"
# Twice, in two interpreters that are alive at the same time, as mod_wsgi's groups are.
IN_INTERPRETERS = (
    "import _interpreters as i, sys\n"
    "for each in [i.create({config!r}), i.create({config!r})]:\n"
    "    failure = i.exec(each, {source!r})\n"
    "    if failure: sys.exit(str(failure.formatted))\n"
)
MADE_WITH = [
    ("mypyc", [b"mypyc"]),
    ("Cython", [b"__pyx_", b"cython_runtime"]),
    ("PyO3", [b"pyo3"]),
    ("nanobind", [b"nanobind"]),
    ("pybind11", [b"pybind11"]),
    ("cffi", [b"_cffi_backend"]),
    ("SWIG", [b"swig_runtime_data", b"SwigPyObject"]),
]


def imports(python, options, source):
    """`passes`, `raises` or `dies`."""
    command = [python, "-W", "ignore", *options, "-c", source]
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=TIMEOUT, cwd="/")
    except subprocess.TimeoutExpired:
        return "hangs"
    return "passes" if done.returncode == 0 else "raises" if done.returncode > 0 else "dies"


def agrees(verdict, said):
    """What a plain import can contradict: it asks less than a trial does, so `unsafe` may pass it."""
    match verdict:
        case "ready" | "degraded":
            return said == "passes"
        case "blocked":
            return said != "passes"
        case "not-applicable":
            return said != "passes"
        case _:
            return True


def check(module, environment, free_threaded):
    name = module["name"]
    control = module["modes"].get("main", {}).get("outcome") or {}
    # What a trial imported first, or loaded this one through.
    first = [control[key] for key in ("after", "through") if control.get(key)]
    source = "; ".join(IMPORT.format(name=each) for each in [*first, name])
    plain, free = (str(folder / "bin" / "python") for folder in (environment, free_threaded))
    ways = {
        "shared-gil": (plain, [], IN_INTERPRETERS.format(config="legacy", source=source)),
        "own-gil": (plain, [], IN_INTERPRETERS.format(config="isolated", source=source)),
        "free-threaded": (free, ["-X", "gil=0"], source),
        "free-threaded-group": (free, ["-X", "gil=0"], IN_INTERPRETERS.format(config="legacy", source=source)),
    }
    for mode, (python, options, code) in ways.items():
        judged = module["modes"].get(mode)
        # Forced off, the GIL is not switched on: only a trial can tell.
        if not judged or (judged.get("cause") or {}).get("rule") == "switches-gil-on":
            continue
        # The free-threaded environment's wheel holds plain Python in this module's place.
        if mode.startswith("free-threaded") and not module.get("free_threaded_build"):
            continue
        said = imports(python, options, code)
        yield {"module": name, "mode": mode, "verdict": judged["verdict"], "import": said,
               "agrees": agrees(judged["verdict"], said)}


def made_with(file):
    content = file.read_bytes()
    return next((name for name, marks in MADE_WITH if any(mark in content for mark in marks)), "C or C++")


def main():
    report = json.loads((HERE / "survey.json").read_text(encoding="utf-8"))
    places = report.pop("header")["places"]
    environment, free_threaded = (pathlib.Path(places[name]) for name in ("environment", "free-threaded environment"))
    text = re.sub(r"/[^\s\"]*/registry/src/[^/]*/", "{crates}/", json.dumps(report, indent=2))
    (HERE / "survey.json").write_text(text + "\n", encoding="utf-8")
    modules = [module for module in report["modules"] if module["kind"] == "extension-module"]
    site = next((environment / "lib").glob("python3*/site-packages"))
    tools = {module["name"]: made_with(site / module["file"]) for module in modules if (site / module["file"]).exists()}
    write("toolchains.json", tools)
    checked = []
    for index, module in enumerate(modules[::EVERY]):
        print("\r%d of %d" % (index + 1, len(modules[::EVERY])), end="", file=sys.stderr, flush=True)
        checked += check(module, environment, free_threaded)
    print(file=sys.stderr)
    write("spot-check.json", {"every": EVERY, "checked": checked})


def write(name, what):
    (HERE / name).write_text(json.dumps(what, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
