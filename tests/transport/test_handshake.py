"""Every way in which a session fails to open, at one exact point each."""

import asyncio
import base64
import ssl
import sys
from collections.abc import Callable

import pytest
import trustme

from nexomailer_cli.errors import ProtocolError, TransportError
from nexomailer_cli.smtp.auth import Credentials
from nexomailer_cli.smtp.extensions import Extensions
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.transport.base import Event, Observer, Said, unobserved
from nexomailer_cli.transport.limits import Limits
from nexomailer_cli.transport.terms import Session, Terms
from tests.support.conducting import Looping, Waiting
from tests.support.script import (
    Blank,
    Close,
    Dribble,
    Expect,
    Hang,
    Peer,
    Raw,
    Reply,
    Reset,
    Script,
    Step,
    Upgrade,
    ehlo,
    greeting,
    scripted,
)

ServerTls = Callable[..., ssl.SSLContext]
PASSWORD = Credentials("tim", "tanstaaf")
PROMPT = Limits(connect=5.0, reply=5.0)
HASTY = Limits(connect=0.2, reply=0.2)


def terms(
    peer: Peer,
    *,
    tls: ssl.SSLContext | None = None,
    credentials: Credentials | None = None,
    implicit: bool = False,
    requires_tls: bool = False,
    plaintext: bool = False,
) -> Terms:
    return Terms(
        host="127.0.0.1",
        port=peer.port,
        implicit_tls=implicit,
        requires_tls=requires_tls,
        tls=tls,
        servername="localhost",
        ehlo_name="me.test",
        credentials=credentials,
        allow_plaintext_auth=plaintext,
    )


Hands: type[Waiting] | type[Looping] = Waiting


@pytest.fixture(autouse=True, params=[Waiting, Looping], ids=["waiting", "looping"])
def _both(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let both conductors of a handshake go through everything here."""
    monkeypatch.setattr(sys.modules[__name__], "Hands", request.param)


async def opened(
    demand: Terms, limits: Limits = PROMPT, observer: Observer = unobserved
) -> Session:
    conductor = Hands(demand, limits, observer)
    session = await conductor.open()
    conductor.close()
    await asyncio.sleep(0)
    return session


async def failure(
    script: Script,
    *,
    limits: Limits = PROMPT,
    server: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
    credentials: Credentials | None = None,
    implicit: bool = False,
    requires_tls: bool = False,
) -> tuple[TransportError, Peer]:
    async with scripted(script, tls=server, implicit=implicit and server is not None) as peer:
        demand = terms(
            peer, tls=tls, credentials=credentials, implicit=implicit, requires_tls=requires_tls
        )
        with pytest.raises(TransportError) as caught:
            await opened(demand, limits)
    return caught.value, peer


def secured(*keywords: str) -> tuple[Step, ...]:
    return (*greeting("STARTTLS"), Expect("STARTTLS"), Reply("220 go"), Upgrade(), *ehlo(*keywords))


async def test_a_plain_session_opens() -> None:
    async with scripted(greeting("PIPELINING", "SIZE 10")) as peer:
        session = await opened(terms(peer))
    assert session.extensions == Extensions(pipelining=True, size=10)
    assert session.tls_version == ""
    assert peer.heard == ["EHLO me.test"]


async def test_starttls_is_used_when_offered_and_ehlo_repeated(
    server_tls: ServerTls, client_tls: ssl.SSLContext
) -> None:
    async with scripted(secured("PIPELINING"), tls=server_tls()) as peer:
        session = await opened(terms(peer, tls=client_tls))
    assert session.extensions == Extensions(pipelining=True)
    assert session.tls_version == "TLSv1.3"
    assert peer.verbs == ["EHLO", "STARTTLS", "EHLO"]


async def test_implicit_tls_comes_before_the_greeting(
    server_tls: ServerTls, client_tls: ssl.SSLContext
) -> None:
    async with scripted(greeting("DSN"), tls=server_tls(), implicit=True) as peer:
        session = await opened(terms(peer, tls=client_tls, implicit=True))
    assert session.extensions.dsn
    assert session.tls_version == "TLSv1.3"


async def test_starttls_is_left_alone_when_the_configuration_says_never() -> None:
    async with scripted(greeting("STARTTLS")) as peer:
        assert (await opened(terms(peer))).tls_version == ""


async def test_without_starttls_a_required_session_does_not_open(
    client_tls: ssl.SSLContext,
) -> None:
    error, peer = await failure(greeting("AUTH PLAIN"), tls=client_tls, requires_tls=True)
    assert (error.phase, error.reason) == (Phase.STARTTLS, "starttls-not-offered")
    assert peer.verbs == ["EHLO"]


async def test_without_starttls_an_optional_session_opens(client_tls: ssl.SSLContext) -> None:
    async with scripted(greeting()) as peer:
        assert (await opened(terms(peer, tls=client_tls))).tls_version == ""


async def test_our_own_address_is_the_last_resort_for_a_name() -> None:
    async with scripted(greeting()) as peer:
        demand = Terms(host="127.0.0.1", port=peer.port, requires_tls=False)
        await opened(demand)
    assert peer.heard == ["EHLO [127.0.0.1]"]


async def test_an_ehlo_name_that_is_an_injection_is_refused() -> None:
    async with scripted((Reply("220 hi"), Hang())) as peer:
        demand = Terms(host="127.0.0.1", port=peer.port, requires_tls=False, ehlo_name="a\r\nQUIT")
        with pytest.raises(TransportError, match="EHLO name") as caught:
            await opened(demand)
    assert caught.value.reason == "configuration"
    assert peer.connections == 0


async def test_a_server_that_asks_without_end_is_left() -> None:
    ask: tuple[Step, ...] = (Expect("*"), Reply("334 "))
    script = (*greeting("AUTH PLAIN"), Expect("AUTH"), Reply("334 "), *ask * 20)
    error, peer = await failure(script, credentials=PASSWORD)
    assert isinstance(error, ProtocolError)
    assert len(peer.heard) < 10


async def test_helo_is_for_servers_that_do_not_know_ehlo() -> None:
    script = (Reply("220 old"), Expect("EHLO"), Reply("502 what?"), Expect("HELO"), Reply("250 ok"))
    async with scripted(script) as peer:
        session = await opened(terms(peer))
    assert session.extensions == Extensions()
    assert peer.heard == ["EHLO me.test", "HELO me.test"]


async def test_nobody_signs_in_to_a_server_that_does_not_know_ehlo() -> None:
    script = (Reply("220 old"), Expect("EHLO"), Reply("502 what?"), Hang())
    error, peer = await failure(script, credentials=PASSWORD)
    assert error.phase == Phase.EHLO
    assert peer.verbs == ["EHLO"]


@pytest.mark.parametrize(
    ("script", "phase", "code"),
    [
        ((Reply("554 5.7.1 go away"),), Phase.GREETING, 554),
        ((Reply("421 4.3.2 busy"),), Phase.GREETING, 421),
        ((Reply("220 hi"), Expect("EHLO"), Reply("550 5.7.1 no")), Phase.EHLO, 550),
        ((Reply("220 hi"), Expect("EHLO"), Reply("421 4.7.0 later (EHLO)")), Phase.EHLO, 421),
        (
            (
                Reply("220 hi"),
                Expect("EHLO"),
                Reply("502 what?"),
                Expect("HELO"),
                Reply("502 no"),
            ),
            Phase.EHLO,
            502,
        ),
        (
            (*greeting("STARTTLS"), Expect("STARTTLS"), Reply("454 4.7.0 not now")),
            Phase.STARTTLS,
            454,
        ),
        ((*greeting("STARTTLS"), Expect("STARTTLS"), Reply("502 what?")), Phase.STARTTLS, 502),
        ((*greeting("STARTTLS"), Expect("STARTTLS"), Reply("354 go")), Phase.STARTTLS, 354),
    ],
)
async def test_a_refusal_carries_the_servers_reply(
    script: Script, phase: Phase, code: int, client_tls: ssl.SSLContext
) -> None:
    error, _ = await failure(script, tls=client_tls, requires_tls=True)
    assert error.phase == phase
    assert error.reply is not None
    assert error.reply.code == code


@pytest.mark.parametrize("end", [Close(), Reset()])
@pytest.mark.parametrize(
    ("before", "phase"),
    [
        ((), Phase.GREETING),
        ((Reply("220 hi"), Expect("EHLO")), Phase.EHLO),
        ((*greeting("STARTTLS"), Expect("STARTTLS")), Phase.STARTTLS),
        ((*greeting("AUTH PLAIN"), Expect("AUTH")), Phase.AUTH),
    ],
)
async def test_a_cut_is_told_with_its_phase(before: Script, end: Step, phase: Phase) -> None:
    context = None
    if phase is Phase.STARTTLS:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    error, _ = await failure(
        (*before, end), tls=context, credentials=PASSWORD if phase is Phase.AUTH else None
    )
    assert error.phase == phase
    assert error.reason in ("closed", "ECONNRESET")


@pytest.mark.parametrize("end", [Hang(), Dribble("220" + "-slow" * 400)])
async def test_a_silent_or_dribbling_greeting_ends_with_the_time_out(end: Step) -> None:
    error, _ = await failure((end,), limits=HASTY)
    assert (error.phase, error.reason) == (Phase.GREETING, "timeout")


@pytest.mark.parametrize("end", [Hang(), Dribble("250-slow\r\n" * 100)])
async def test_a_silent_or_dribbling_ehlo_ends_with_the_time_out(end: Step) -> None:
    error, _ = await failure((Reply("220 hi"), Expect("EHLO"), end), limits=HASTY)
    assert (error.phase, error.reason) == (Phase.EHLO, "timeout")


async def test_the_deadline_ends_a_wait_before_its_time_out() -> None:
    deadline = asyncio.get_running_loop().time() + 0.2
    error, _ = await failure((Hang(),), limits=Limits(deadline=deadline))
    assert error.reason == "deadline"


@pytest.mark.parametrize(
    ("banner", "reasons"),
    [
        (b"* OK IMAP4rev1 ready\r\n", {"not-smtp"}),
        (b"SSH-2.0-OpenSSH_9.2\r\n", {"not-smtp"}),
        (b"220-" + b"x" * 40_000 + b"\r\n", {"too-long", "not-smtp"}),
    ],
)
async def test_a_greeting_that_is_not_smtp_is_told_so(banner: bytes, reasons: set[str]) -> None:
    error, peer = await failure((Raw(banner), Hang()))
    assert isinstance(error, ProtocolError)
    assert error.phase == Phase.GREETING
    assert error.reason in reasons
    assert peer.heard == []


async def test_escape_sequences_in_a_greeting_are_harmless() -> None:
    error, _ = await failure((Raw(b"554 \x1b]52;c;evil\x07 [link=file:x]\r\n"),))
    assert error.reply is not None
    assert error.reply.text == "\\x1b]52;c;evil\\x07 [link=file:x]"
    assert "\x1b" not in str(error)


@pytest.mark.parametrize(
    "answer",
    [
        b"250-a\r\n550 b\r\n",
        b"099 low\r\n",
        b"abc\r\n",
        b"250-" + b"x" * 9000 + b"\r\n250 y\r\n",
        b"250-x\r\n" * 200 + b"250 y\r\n",
    ],
)
async def test_an_ehlo_answer_that_is_no_reply_ends_the_session(answer: bytes) -> None:
    error, _ = await failure((Reply("220 hi"), Expect("EHLO"), Raw(answer), Hang()))
    assert isinstance(error, ProtocolError)
    assert error.phase == Phase.EHLO


@pytest.mark.parametrize(
    "script",
    [
        (Raw(b"220 hi\r\n250 premature\r\n"), Hang()),
        (Raw(b"220 hi\r\n25"), Hang()),
        (Reply("220 hi"), Expect("EHLO"), Raw(b"250 ok\r\n250 a\r\n250 b\r\n354 c\r\n250 d\r\n")),
        (Reply("220 hi"), Expect("EHLO"), Raw(b"250 ok\r\n25"), Hang()),
    ],
)
async def test_more_than_was_asked_ends_the_session(script: Script) -> None:
    # Premature replies make naive clients report refused mail as sent.
    error, peer = await failure(script)
    assert isinstance(error, ProtocolError)
    assert error.reason == "surplus"
    assert "MAIL" not in peer.verbs


@pytest.mark.parametrize(
    "injected", [b"250 AUTH LOGIN\r\n", b"x", b"535 no\r\n", b"250-evil.test\r\n250 PIPELINING\r\n"]
)
async def test_bytes_injected_before_tls_end_the_session(
    injected: bytes, server_tls: ServerTls, client_tls: ssl.SSLContext
) -> None:
    script = (
        *greeting("STARTTLS"),
        Expect("STARTTLS"),
        Raw(b"220 go\r\n" + injected),
        Upgrade(),
        Hang(),
    )
    error, peer = await failure(script, server=server_tls(), tls=client_tls, credentials=PASSWORD)
    assert isinstance(error, ProtocolError)
    assert error.phase == Phase.STARTTLS
    assert peer.verbs == ["EHLO", "STARTTLS"]


async def test_words_instead_of_tls_are_a_tls_failure(client_tls: ssl.SSLContext) -> None:
    script = (*greeting("STARTTLS"), Expect("STARTTLS"), Reply("220 go"), Reply("220 hm"), Hang())
    error, _ = await failure(script, tls=client_tls, limits=HASTY)
    assert error.phase in (Phase.TLS, Phase.STARTTLS)


async def test_plain_words_on_a_tls_port_are_recognised(client_tls: ssl.SSLContext) -> None:
    error, _ = await failure((Reply("220 peer.test"), Hang()), tls=client_tls, implicit=True)
    assert (error.phase, error.reason) == (Phase.TLS, "WRONG_VERSION_NUMBER")


@pytest.mark.parametrize("implicit", [True, False])
async def test_a_wrong_name_is_refused_before_anything_secret(
    implicit: bool, server_tls: ServerTls, client_tls: ssl.SSLContext
) -> None:
    script: Script = (Hang(),) if implicit else secured("AUTH PLAIN")
    error, peer = await failure(
        script,
        server=server_tls("other.test"),
        tls=client_tls,
        credentials=PASSWORD,
        implicit=implicit,
    )
    assert (error.phase, error.reason) == (Phase.TLS, "X509_62")
    assert "AUTH" not in peer.verbs


@pytest.mark.parametrize("implicit", [True, False])
async def test_an_unknown_issuer_is_refused(
    implicit: bool, server_tls: ServerTls, client_tls: ssl.SSLContext
) -> None:
    script: Script = (Hang(),) if implicit else secured()
    error, _ = await failure(
        script, server=server_tls(issuer=trustme.CA()), tls=client_tls, implicit=implicit
    )
    assert error.phase == Phase.TLS
    assert error.reason in ("X509_18", "X509_19", "X509_20")


async def test_a_silent_tls_handshake_ends_with_the_time_out(client_tls: ssl.SSLContext) -> None:
    error, _ = await failure((Hang(),), tls=client_tls, implicit=True, limits=HASTY)
    assert (error.phase, error.reason) == (Phase.TLS, "timeout")


# --- sign-in -----------------------------------------------------------------------------


def plain(credentials: Credentials) -> str:
    text = f"\0{credentials.user}\0{credentials.password}"
    return "AUTH PLAIN " + base64.b64encode(text.encode()).decode()


async def test_plain_takes_one_round_trip(
    server_tls: ServerTls, client_tls: ssl.SSLContext
) -> None:
    script = (*secured("AUTH LOGIN PLAIN"), Expect(plain(PASSWORD)), Reply("235 2.7.0 in"))
    async with scripted(script, tls=server_tls()) as peer:
        await opened(terms(peer, tls=client_tls, credentials=PASSWORD))
    assert peer.verbs == ["EHLO", "STARTTLS", "EHLO", "AUTH"]


async def test_login_is_spoken_where_plain_is_not_offered() -> None:
    script = (
        *greeting("AUTH LOGIN"),
        Expect("AUTH LOGIN"),
        Reply("334 VXNlcm5hbWU6"),
        Expect(base64.b64encode(b"tim").decode()),
        Reply("334 UGFzc3dvcmQ6"),
        Expect(base64.b64encode(b"tanstaaf").decode()),
        Reply("235 in"),
    )
    async with scripted(script) as peer:
        await opened(terms(peer, credentials=PASSWORD))
    assert peer.heard[1] == "AUTH LOGIN"


async def test_cram_md5_answers_the_challenge() -> None:
    challenge = base64.b64encode(b"<1@x>").decode()
    script = (
        *greeting("AUTH CRAM-MD5"),
        Expect("AUTH CRAM-MD5"),
        Reply(f"334 {challenge}"),
        Expect("dGltI"[:4]),
        Reply("235 in"),
    )
    async with scripted(script) as peer:
        await opened(terms(peer, credentials=PASSWORD))
    assert base64.b64decode(peer.heard[2]).startswith(b"tim ")


async def test_a_refused_password_is_tried_once() -> None:
    script = (
        *greeting("AUTH PLAIN LOGIN CRAM-MD5"),
        Expect("AUTH"),
        Reply("535 5.7.8 wrong"),
        Hang(),
    )
    error, peer = await failure(script, credentials=PASSWORD)
    assert error.phase == Phase.AUTH
    assert error.reply is not None
    assert error.reply.code == 535
    assert peer.verbs.count("AUTH") == 1


async def test_a_password_that_the_server_repeats_is_not_shown() -> None:
    script = (*greeting("AUTH PLAIN"), Expect("AUTH"), Reply("535 bad password tanstaaf"), Hang())
    error, _ = await failure(script, credentials=PASSWORD)
    assert error.reply is not None
    assert error.reply.text == "bad password ***"
    assert "tanstaaf" not in str(error)


async def test_the_words_of_a_421_to_auth_are_kept() -> None:
    script = (*greeting("AUTH PLAIN LOGIN"), Expect("AUTH"), Reply("421 4.7.0 Try again later"))
    error, _ = await failure(script, credentials=PASSWORD)
    assert error.reply is not None
    assert error.reply.text == "Try again later"


async def test_the_json_of_a_refused_token_is_kept() -> None:
    details = '{"status":"401","scope":"https://mail.google.com/"}'
    script = (
        *greeting("AUTH XOAUTH2"),
        Expect("AUTH XOAUTH2 "),
        Reply("334 " + base64.b64encode(details.encode()).decode()),
        Blank(),
        Reply("535 5.7.8 expired"),
        Hang(),
    )
    error, _ = await failure(script, credentials=Credentials("tim", token="ya29"))
    assert error.detail == details
    assert error.reply is not None
    assert error.reply.code == 535


async def test_a_server_that_asks_for_ever_is_told_to_stop() -> None:
    script = (*greeting("AUTH PLAIN"), Expect("AUTH"), Reply("334 "), Expect("*"), Reply("501 ok"))
    error, peer = await failure(script, credentials=PASSWORD)
    assert error.reply is not None
    assert error.reply.code == 501
    assert peer.heard[-1] == "*"


async def test_a_challenge_that_is_nonsense_ends_the_session() -> None:
    script = (*greeting("AUTH CRAM-MD5"), Expect("AUTH"), Reply("334 ???"), Hang())
    error, _ = await failure(script, credentials=PASSWORD)
    assert isinstance(error, ProtocolError)


@pytest.mark.parametrize(
    ("keywords", "reason"), [((), "auth-not-offered"), (("AUTH NTLM",), "no-mechanism")]
)
async def test_without_a_way_to_sign_in_nothing_is_tried(
    keywords: tuple[str, ...], reason: str
) -> None:
    error, peer = await failure(greeting(*keywords), credentials=PASSWORD)
    assert (error.phase, error.reason) == (Phase.AUTH, reason)
    assert peer.verbs == ["EHLO"]


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every peer be taken for another machine."""
    monkeypatch.setattr(Terms, "is_loopback", lambda *_: False)


@pytest.mark.usefixtures("elsewhere")
async def test_no_password_leaves_in_clear() -> None:
    async with scripted(greeting("AUTH PLAIN")) as peer:
        with pytest.raises(TransportError) as caught:
            await opened(terms(peer, credentials=PASSWORD))
    assert caught.value.reason == "plaintext-password"
    assert peer.verbs == ["EHLO"]


def unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.mark.usefixtures("elsewhere")
async def test_no_password_goes_to_an_unverified_server(server_tls: ServerTls) -> None:
    async with scripted(secured("AUTH PLAIN"), tls=server_tls("other.test")) as peer:
        with pytest.raises(TransportError) as caught:
            await opened(terms(peer, tls=unverified(), credentials=PASSWORD))
    assert caught.value.reason == "unverified-password"
    assert "AUTH" not in peer.verbs


@pytest.mark.usefixtures("elsewhere")
async def test_a_password_goes_to_a_verified_server(
    server_tls: ServerTls, client_tls: ssl.SSLContext
) -> None:
    script = (*secured("AUTH PLAIN"), Expect("AUTH PLAIN"), Reply("235 in"))
    async with scripted(script, tls=server_tls()) as peer:
        demand = terms(peer, tls=client_tls, credentials=PASSWORD)
        await opened(demand)
    assert peer.verbs[-1] == "AUTH"


@pytest.mark.usefixtures("elsewhere")
async def test_so_many_words_in_the_configuration_let_a_password_go_in_clear() -> None:
    script = (*greeting("AUTH PLAIN CRAM-MD5"), Expect("AUTH CRAM-MD5"), Reply("535 no"), Hang())
    async with scripted(script) as peer:
        demand = terms(peer, credentials=PASSWORD, plaintext=True)
        with pytest.raises(TransportError):
            await opened(demand)
    assert peer.heard[-1] == "AUTH CRAM-MD5"


async def test_the_transcript_has_every_line_and_no_secret() -> None:
    events: list[Event] = []
    script = (*greeting("AUTH PLAIN"), Expect("AUTH"), Reply("235 2.7.0 welcome"))
    async with scripted(script) as peer:
        await opened(terms(peer, credentials=PASSWORD), observer=events.append)
    lines = [f"{event.speaker}: {event.text}" for event in events if isinstance(event, Said)]
    assert lines == [
        "S: 220 peer.test ESMTP",
        "C: EHLO me.test",
        "S: 250-peer.test",
        "S: 250 AUTH PLAIN",
        "C: AUTH PLAIN ***",
        "S: 235 2.7.0 welcome",
    ]


@pytest.mark.parametrize("words", ["AUTH PLAIN {}", "334 AUTH PLAIN {}"])
async def test_a_password_that_comes_back_as_no_smtp_is_not_quoted(words: str) -> None:
    sent = base64.b64encode(b"\0tim\0tanstaaf").decode()
    script = (*greeting("AUTH PLAIN"), Expect("AUTH PLAIN"), Reply(words.format(sent)), Hang())
    async with scripted(script) as peer:
        with pytest.raises(TransportError) as caught:
            await opened(terms(peer, credentials=PASSWORD))
    told = f"{caught.value} {caught.value.detail} {caught.value.reply}"
    assert sent not in told
    assert sent[:12] not in told
    assert caught.value.__cause__ is None
