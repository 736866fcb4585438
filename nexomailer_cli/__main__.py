"""`python -m nexomailer_cli`, and the command `nexomailer`."""

import gc
import sys


def main() -> None:
    """Run the command line; never returns."""
    # Starting up makes some 100,000 objects that all stay: to look through them for
    # garbage takes 7 ms, and 20 more at the end.
    gc.set_threshold(100_000, 50, 50)
    from nexomailer_cli.cli.run import run

    status = run(sys.argv[1:])
    gc.freeze()
    gc.disable()
    sys.exit(status)


if __name__ == "__main__":
    main()
