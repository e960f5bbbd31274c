"""The command line: what each command does.

In reading order:

- `command`: what a subcommand is, and how one ends
- `options`: options that several share
- `processes`: the same work by several processes of this machine
- `where`: the first line of what sends requests: account, region, endpoint, tables
- `commands`: the subcommands; one calls one use case
- `letters`: the command that tries dead letters again
- `ceilings`: the commands that change how fast a migration goes
- `planning`: the commands before anything is begun: `init`, `try`, `plan`
- `looking`: the commands that look at migrations: `status`, `list`
- `reporting`: the command that makes a page of what a migration did
- `code_checks`: the command that looks for what goes past the repository
- `log`: the library's log on standard error
- `streams`: standard output kept for the answer, and streams that stop nobody
- `main`: arguments to exit code; the only module that prints

May know: everything but the demo, which brings its own command.
"""
