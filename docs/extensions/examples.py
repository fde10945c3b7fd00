"""For the site: `Example:` in a docstring is a section of code, as `Examples:` is."""

from __future__ import annotations

import re

import griffe


class Examples(griffe.Extension):
    """Reads the library's singular as the parser's plural; without it, doctests would be shown as quotations."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """A class, function or attribute was read."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"(?m)^(\s*)Example:$", r"\1Examples:", obj.docstring.value)
