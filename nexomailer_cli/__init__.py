"""nexomailer: mail from the command line, through prioritized SMTP providers.

The map of the house; imports point down only, and `tests/test_architecture.py` says so.

    cli/         what the user sees; the only room that imports typer and rich
    core.py      the one place that builds transports: configuration in, Transport out
    bulk/        many messages: the schedule, the journal, every row accounted for
    sandbox/     a capture server on loopback, for trying things out
    probe/       the doctor: what a failure means, and what to do about it
    message/     from text to bytes: addresses, headers, parts, and the check of the result
    pool/        many mails at once, over kept connections on an event loop
    transport/   one mail over a network: handshake, connection, provider, failover, retry
    smtp/        SMTP as values and state; nothing here does I/O
    credentials.py who signs in at a provider: secrets and tokens, when they are needed
    oauth/       access tokens: had, kept, renewed before they expire
    config/      TOML, URLs and secrets -> validated settings; presets.toml: known services
    rules.py     how providers word their failures: rules.toml
    state_folder.py where is kept what one run remembers for the next
    turn.py      whose turn it is with round-robin, across runs
    idn.py       domains in other scripts, as DNS and TLS have them
    printable.py outside text made harmless
    whole_file.py files for their owner only: written whole, read whole
    errors.py    the exception tree

What happens to a mail: `cli.send` makes a `Draft` from options; `message.compose` makes a
`Mail` of it; `core` builds a `Transport`; its `send` returns an `Outcome`, which `cli`
turns into words, JSON and an exit status.
"""

__version__ = "0.1.0"
