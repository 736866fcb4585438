"""Questions to a person at the terminal, and their answers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from nexomailer_cli.config.secrets import terminal_prompt
from nexomailer_cli.errors import UsageError
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nexomailer_cli.cli.output import Output

NOTHING_WRITTEN = "Nothing was written."


class NoAnswerError(UsageError):
    """Nobody answers any more: the end of input."""


def may_ask() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin is not None and sys.stdin.isatty()


class Terminal:
    """Asks on standard error, reads from standard input."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def say(self, text: str) -> None:
        """Tell something between the questions."""
        self._output.fact(text)

    def explain(self, text: str) -> None:
        """Tell something longer."""
        self._output.fact(self._output.indented(text))

    def ask(self, question: str, default: str = "") -> str:
        """Return the answer, the default where there is none; ask until there is either."""
        shown = f"{question} [{printable(default)}]: " if default else f"{question}: "
        while True:
            self._output.prompt(shown)
            line = sys.stdin.readline()
            if not line:  # the end of input; what was asked stands on the line still
                self._output.prompt("\n")
                raise NoAnswerError(NOTHING_WRITTEN)
            if answer := line.strip() or default:
                return answer

    def agrees(self, question: str, *, default: bool) -> bool:
        """Return whether the answer is yes."""
        answer = self.ask(f"{question} (y or n)", "y" if default else "n")
        return answer.lower().startswith("y")

    def choose(self, question: str, choices: Sequence[str]) -> int:
        """Return the index of the choice; the first one is what Enter alone means."""
        self.say(question)
        for number, choice in enumerate(choices, 1):
            self.say(f"  {number}  {choice}")
        while True:
            answer = self.ask("Number", "1")
            if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(choices):
                return int(answer) - 1
            self.say(f"A number from 1 to {len(choices)}, please.")

    def secret(self, question: str) -> str:
        """Return what is typed without showing it; it may be nothing."""
        prompt = terminal_prompt()
        if prompt is None:
            raise UsageError("there is no terminal to ask for the password on")
        try:
            return prompt(f"{question} (nobody sees what you type): ")
        except EOFError:
            raise NoAnswerError(NOTHING_WRITTEN) from None
