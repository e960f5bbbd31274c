"""Every way to run this project; `nox --list` says what each session does."""

import shutil
import tempfile
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["lint", "typing", "docs", "tests"]

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)
# Each worker takes whole files, and starts a server of its own when a file needs it.
SUITE = ("--numprocesses=auto", "--dist=loadfile", "-m", "not conformance and not thorough")


def group(name: str) -> tuple[str, ...]:
    """Return what a dependency group of pyproject.toml asks for."""
    return nox.project.dependency_groups(PROJECT, name)


def install_wheel(session: nox.Session, *requirements: str, extra: str) -> None:
    """Install the package as users get it, from a built wheel, with what the session needs."""
    folder = Path(session.create_tmp()).absolute() / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    session.run("pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), ".")
    (wheel,) = folder.glob("*.whl")
    session.install(f"dualtable[{extra}] @ {wheel.as_uri()}", *requirements)


@nox.session
def demo(session: nox.Session) -> None:
    """Watch a live migration of real data on the embedded server."""
    install_wheel(session, extra="demo")
    session.run("dualtable", "demo")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run all tests against the built wheel, on every server that can be had here."""
    install_wheel(session, *group("tests"), extra="demo")
    session.run("pytest", *SUITE, *session.posargs)


@nox.session
def thorough(session: nox.Session) -> None:
    """Run what the tests leave out: more seeds, servers and beginnings of what they show."""
    install_wheel(session, *group("tests"), extra="demo")
    session.run("pytest", "-m", "thorough", "--numprocesses=auto", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Say which lines no test runs; takes half as long again as the tests."""
    install_wheel(session, *group("tests"), extra="demo")
    session.run("pytest", "--cov", "--cov-report=term", *SUITE, *session.posargs)


@nox.session
def conformance(session: nox.Session) -> None:
    """Ask the drop-in table all that a plain table is asked, wherever the item is."""
    install_wheel(session, *group("tests"), extra="demo")
    session.run("pytest", "-m", "conformance", "--numprocesses=auto", *session.posargs)


@nox.session
def prove(session: nox.Session) -> None:
    """Explore every interleaving, remove each guard, run the state machine and a real fleet."""
    install_wheel(session, *group("tests"), extra="demo")
    session.run("python", "-m", "proof", *session.posargs, env={"PYTHONPATH": "tests"})
    if session.posargs:
        return
    killed = ("tests/test_end_to_end.py", "tests/proof/test_shared_verification.py", "-k", "killed")
    session.run("pytest", *killed, env={"DUALTABLE_TEST_KILLS": "20"})


@nox.session
def figures(session: nox.Session) -> None:
    """Plant damage, repair and retry at full size, and say what it costs, beside what it may."""
    install_wheel(session, *group("tests"), extra="demo")
    session.run("python", "-m", "proof.figures", *session.posargs, env={"PYTHONPATH": "tests"})


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format and import contracts."""
    session.install(*group("lint"), ".[demo]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", "--no-cache")


@nox.session
def typing(session: nox.Session) -> None:
    """Check types inside, and that every public name has one."""
    install_wheel(session, *group("typing"), extra="demo")
    session.run("mypy", "dualtable", "tests/typing")
    session.run("pyright", "--ignoreexternal", "--verifytypes", "dualtable")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site into docs/_build; a warning is an error."""
    install_wheel(session, *group("docs"), extra="cli")
    session.run("sphinx-build", "-W", "-n", "-E", "-b", "html", "docs", "docs/_build")


@nox.session
def engines(session: nox.Session) -> None:
    """Run one migration on each engine, one worker of which is killed; and one it cannot import."""
    install_wheel(session, "ray>=2.40", "pyspark>=3.5", extra="dask,local")
    outside = {"TMPDIR": tempfile.gettempdir()}  # Ray's workers do not begin where nox has its own
    for engine in session.posargs or ("on_processes", "on_dask", "on_ray", "on_spark"):
        session.run("python", f"examples/engines/{engine}.py", env=outside)
        session.run("python", "tests/distributed/elsewhere.py", engine, env=outside)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure CPU and memory of a migration beside other ways to do it."""
    install_wheel(session, *group("bench"), extra="local")
    result = Path(session.create_tmp()).absolute() / "bench.json"
    everything = ["--server", "dynoxide", "dynamodb-local", "--reads", "300"]
    everything += ["--whole", "30000", "--memory", "20000", "200000"]
    session.run(
        *("python", "-m", "benchmarks", "--json", str(result)),
        *(session.posargs or everything),
        env={"PYTHONPATH": "tests"},
    )
    if not session.posargs:
        session.run("python", "-m", "benchmarks.telling", env={"PYTHONPATH": "tests"})
        session.run("python", "-m", "benchmarks.workers", env={"PYTHONPATH": "tests"})
        session.notify("simulate")


@nox.session
def simulate(session: nox.Session) -> None:
    """Measure what a migration makes of a table's capacity, on simulated tables; draw the plot."""
    install_wheel(session, *group("bench"), extra="local")
    result = Path(session.create_tmp()).absolute() / "simulation.json"
    session.run(
        *("python", "-m", "simulation", "--fleet"),
        *("--json", str(result), "--plot", "docs/performance.svg"),
        env={"PYTHONPATH": "tests"},
    )
