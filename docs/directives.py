"""The site's own directives, and links from private names in annotations to their public pages."""

from __future__ import annotations

import importlib
from typing import Any

import from_code
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

PUBLIC_MODULES = ("dualtable", "dualtable.errors", "dualtable.testing")


class PhaseDiagram(SphinxDirective):
    """The phases as boxes."""

    def run(self) -> list[nodes.Node]:
        return [literal(from_code.phase_diagram())]


class PhaseTable(SphinxDirective):
    """What each phase means."""

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(from_code.phase_table())


class CostTable(SphinxDirective):
    """What an item costs whom."""

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(from_code.cost_table())


class WholeTable(SphinxDirective):
    """What a whole process costs."""

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(from_code.whole_table())


class CallTable(SphinxDirective):
    """What a call of the repository costs."""

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(from_code.call_table())


class ErrorTree(SphinxDirective):
    """The tree of errors, then each of them."""

    def run(self) -> list[nodes.Node]:
        tree = list(from_code.error_tree())
        entries = "\n".join(f".. autoexception:: {error.__name__}" for _, error in tree)
        text = f"```{{eval-rst}}\n.. currentmodule:: dualtable.errors\n\n{entries}\n```"
        drawn = "\n".join(f"{indent}{error.__name__}" for indent, error in tree)
        return [literal(drawn), *self.parse_text_to_nodes(text)]


class CommandLine(SphinxDirective):
    """Every command with its arguments."""

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(from_code.command_line(), allow_section_headings=True)


class JsonSchemas(SphinxDirective):
    """What each command answers, as JSON Schema."""

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(from_code.json_schemas(), allow_section_headings=True)


def literal(text: str) -> nodes.literal_block:
    """Return text as it is."""
    return nodes.literal_block(text, text, language="text")


def resolve_private_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.Element | None:
    """Lead what an annotation calls ``dualtable._module.Name`` to its public name."""
    target = node.get("reftarget", "")
    name = public_name(target)
    if node.get("refdomain") != "py" or name in (None, target):
        return None
    python = env.domains.python_domain
    return python.resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], name, node, content
    )


def public_name(target: str) -> str | None:
    """Return under which public name the reference has a target, None where it has not."""
    name = target.rpartition(".")[2]
    homes = (home for home in PUBLIC_MODULES if hasattr(importlib.import_module(home), name))
    return next((f"{home}.{name}" for home in homes), None)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register everything with Sphinx."""
    app.connect("missing-reference", resolve_private_name)
    app.add_directive("error-tree", ErrorTree)
    app.add_directive("cost-table", CostTable)
    app.add_directive("whole-table", WholeTable)
    app.add_directive("call-table", CallTable)
    app.add_directive("phase-diagram", PhaseDiagram)
    app.add_directive("phase-table", PhaseTable)
    app.add_directive("command-line", CommandLine)
    app.add_directive("json-schemas", JsonSchemas)
    return {"parallel_read_safe": True}
