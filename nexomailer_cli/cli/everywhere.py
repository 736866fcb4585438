"""What the global options say, wherever they stood."""

from __future__ import annotations

from msgspec import Struct

from nexomailer_cli.cli.output import Output


class Globals(Struct, frozen=True):
    """What the global options say, wherever they stood."""

    config: str | None = None
    verbose: bool = False
    quiet: bool = False
    no_color: bool = False
    debug: bool = False

    @property
    def output(self) -> Output:
        """The door for words that these options ask for."""
        return Output(self.verbose, self.quiet, not self.no_color)
