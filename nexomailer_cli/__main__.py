"""`python -m nexomailer_cli`, and the command `nexomailer`."""

import sys


def main() -> None:
    """Run the command line; never returns."""
    if sys.argv[1:] == ["--version"]:
        # Without Typer, whose import is most of what would be waited for.
        from nexomailer_cli import __version__

        sys.stdout.write(f"nexomailer {__version__}\n")
        sys.exit(0)
    from nexomailer_cli.cli.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
