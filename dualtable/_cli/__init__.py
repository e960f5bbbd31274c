"""The command line.

In reading order:

- `command`: what a subcommand is, and how one ends
- `options`: options that several share
- `ceilings`: the commands that change how fast a migration goes
- `guesses`: what a mistyped word may have meant
- `commands`: the subcommands; one calls one use case
- `summaries`: what is said of a report, to people and to machines
- `gates`: what is said of gates and phases
- `plans`: what is said of a plan
- `planning`: the commands before anything is begun: `plan` and `try`
- `code_checks`: the command that looks for what goes past the repository
- `progress`: how far a run has come, while it runs; owns `rich`
- `terminal`: what may reach a terminal: text, and nothing that it acts upon
- `log`: the library's log on standard error
- `main`: arguments to exit code; the only module that prints

May know: everything but the demo, which brings its own command.
"""
