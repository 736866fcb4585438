"""What the global options say, wherever they stood."""

from __future__ import annotations

from dataclasses import dataclass

from nexomailer_cli.cli.output import Output


@dataclass(frozen=True, slots=True)
class Globals:
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
