"""The house rules, as one table: who may import whom, and what starting up may load."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

import pytest

from tests.support.beside import peer
from tests.support.script import GOODBYE, greeting, transaction

PACKAGE = Path(__file__).parent.parent / "nexomailer_cli"
FILES = sorted(PACKAGE.rglob("*.py"))

BOTTOM = {"errors", "printable", "idn", "whole_file"}
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),
    "__main__": {"__init__", "cli"},
    "cli": BOTTOM
    | {
        "__init__",
        "core",
        "credentials",
        "oauth",
        "sandbox",
        "probe",
        "bulk",
        "message",
        "pool",
        "transport",
        "smtp",
        "config",
    },
    "core": BOTTOM
    | {"credentials", "message", "pool", "transport", "rules", "turn", "smtp", "config"},
    "credentials": BOTTOM | {"oauth", "state_folder", "smtp", "config"},
    "oauth": BOTTOM | {"__init__", "config"},
    "bulk": BOTTOM | {"__init__", "message", "pool", "transport", "smtp", "config"},
    "turn": {"state_folder"},
    "state_folder": set(),
    "rules": {"smtp"},
    "sandbox": BOTTOM,
    "probe": BOTTOM | {"__init__", "smtp", "config", "transport"},
    "message": BOTTOM | {"smtp"},
    "pool": BOTTOM | {"transport", "smtp", "config"},
    "transport": BOTTOM | {"smtp", "config"},
    "smtp": BOTTOM,
    "config": BOTTOM,
    "errors": set(),
    "idn": set(),
    "printable": set(),
    "whole_file": set(),
}

# Who alone may know a library.
KEEPERS = {
    "typer": {"cli"},
    "rich": {"cli"},
    # One mail needs no event loop; the loop of a tunnel is its library's.
    "asyncio": {"pool", "bulk", "sandbox", "cli/bulk_run", "transport/tunnel"},
    "aiosmtplib": {"pool/carrier", "pool/breakage"},
    "aiohappyeyeballs": {"pool/dial"},
    "python_socks": {"transport/tunnel"},
    "aiosmtpd": {"sandbox"},
    "cryptography": {"sandbox", "probe/certificate_link"},
    "minijinja": {"message/template", "message/vocabulary"},
    "markdown_it": {"message/markdown"},
    "idna": {"idn"},
    "scramp": {"smtp/scram"},
    "authlib": {"oauth/client"},
    "joserfc": {"oauth/service_account"},
    "dns": {"probe/dns_records"},
    "keyring": {"config/secret_keyring"},
    "tomli_w": {"cli"},
}

# smtp/ is values and state: nothing that reads, waits, or knows the time. msgspec makes its
# values, in a fiftieth of the time that a dataclass takes at every start.
UNKNOWN_TO_SMTP = {
    *("asyncio", "socket", "ssl", "select", "time", "datetime", "random", "secrets", "os"),
    *("pathlib", "io", "subprocess", "threading", "logging", "email", "json"),
}

HEAVY = (
    *("aiohappyeyeballs", "aiosmtpd", "aiosmtplib", "asyncio", "authlib", "cryptography", "dns"),
    *("email", "http", "idna", "joserfc", "keyring", "jinja2", "markdown_it", "minijinja"),
    *("python_socks", "rich", "scramp", "sqlite3", "ssl", "tomllib", "urllib.request"),
)

# What one mail does without, and what it would take longest to load.
LOOP = ("aiosmtplib", "asyncio", "concurrent", "email", "logging", "rich", "typer")

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 40


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def place(path: Path) -> str:
    return str(path.relative_to(PACKAGE).with_suffix(""))


def imported(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports when it runs."""
    yield from _imports(ast.parse(path.read_text("utf-8")))


def _imports(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield from _targets(child.module, child.names)
        yield from _imports(child)


def _targets(module: str, names: list[ast.alias]) -> Iterator[str]:
    if module == "nexomailer_cli":
        yield from (f"nexomailer_cli.{alias.name}" for alias in names)
    else:
        yield module


def own_rooms(path: Path) -> set[str]:
    rooms = set()
    for module in imported(path):
        first, _, rest = module.partition(".")
        if first == "nexomailer_cli":
            name = rest.partition(".")[0]
            rooms.add("__init__" if name in ("", "__version__") else name)
    return rooms - {room(path)}


@pytest.mark.parametrize("path", FILES, ids=place)
def test_imports_point_down(path: Path) -> None:
    assert own_rooms(path) <= MAY_IMPORT[room(path)]


@pytest.mark.parametrize("path", FILES, ids=place)
def test_a_library_is_known_to_its_keepers_only(path: Path) -> None:
    for module in imported(path):
        keepers = KEEPERS.get(module.partition(".")[0])
        assert keepers is None or {room(path), place(path)} & keepers, module


@pytest.mark.parametrize("path", sorted((PACKAGE / "smtp").glob("*.py")), ids=place)
def test_smtp_is_sealed(path: Path) -> None:
    modules = {module.partition(".")[0] for module in imported(path)}
    assert not modules & UNKNOWN_TO_SMTP
    assert modules <= set(sys.stdlib_module_names) | {"nexomailer_cli", "msgspec", "scramp"}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("__init__.py")), ids=place)
def test_the_door_of_a_room_holds_its_rule_and_nothing_else(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree)
    assert len(tree.body) == 1 or path.parent == PACKAGE


@pytest.mark.parametrize(
    "code",
    [
        "import nexomailer_cli.__main__\n"
        "from nexomailer_cli.cli.run import run\n"
        "run(['--version'])",
        "import nexomailer_cli.cli.app",
        "import nexomailer_cli.cli.send",
    ],
)
def test_starting_up_loads_nothing_heavy(code: str) -> None:
    report = f"{code}\nimport sys; print(*[m for m in {HEAVY!r} if m in sys.modules], sep=' ')"
    done = subprocess.run(
        [sys.executable, "-c", report], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == ""


def test_sending_one_mail_loads_no_event_loop(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    with peer((*greeting("PIPELINING"), *transaction(), *GOODBYE)) as server:
        config.write_text(
            f'[[providers]]\nname = "p"\n[providers.config]\nhost = "127.0.0.1"\n'
            f'port = {server.port}\nstarttls = "never"\n'
        )
        people = "--from", "a@a.test", "--to", "b@b.test", "--text", "x"
        code = (
            "import sys\nfrom nexomailer_cli.cli.run import run\n"
            f"status = run({['--config', str(config), 'send', *people]!r})\n"
            f"print(status, *[m for m in {LOOP!r} if m in sys.modules])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
    assert done.stdout.splitlines()[-1] == "0"
    assert len(server.contents) == 1


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Yield each function of a file with its lines, signature and docstring not counted."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            yield f"{place(path)}:{node.name}", lines


def test_rooms_are_small() -> None:
    sizes = {place(path): path.read_text("utf-8").count("\n") for path in FILES}
    assert {name: size for name, size in sizes.items() if size > MAX_FILE_LINES} == {}
    assert median(sizes.values()) <= 140


def test_functions_are_small() -> None:
    lengths = dict(each for path in FILES for each in functions(path))
    assert {name: size for name, size in lengths.items() if size > MAX_FUNCTION_LINES} == {}
    assert median(lengths.values()) <= 8
    assert quantiles(lengths.values(), n=10)[-1] <= 25


def test_the_map_names_every_room() -> None:
    text = ast.get_docstring(ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))) or ""
    rooms = {room(path) for path in FILES} - {"__init__", "__main__"}
    assert [name for name in sorted(rooms) if name not in text] == []
