"""Posting to real receivers that are slow, endless, elsewhere or inside."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from api.delivery import posting
from api.delivery.addresses import Target, target
from api.delivery.network import Resolve, lookup
from api.delivery.posting import SECONDS, post
from api.delivery.schedule import Answer
from tests.api.delivery.receiving import Receiver, dripping, endless, receiving, silence, status

INSIDE = "The address leads inside; only public addresses are called."
CERTIFICATE = Path(__file__).with_name("receiver.pem")
HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


def known(*addresses: str) -> tuple[Resolve, list[str]]:
    """A name server that knows one answer, and what it was asked."""
    asked: list[str] = []

    async def resolve(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return addresses

    return resolve, asked


def at(receiver: Receiver, host: str = "127.0.0.1") -> Target:
    """The receiver, as the operator allows it."""
    origin = f"http://{host}:{receiver.port}"
    return target(f"{origin}/hook", {origin})


async def posted(receiver: Receiver) -> Answer:
    return await post(at(receiver), {}, b"{}", lookup)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_redirect_is_a_failure_and_is_not_followed(receiver: Receiver, code: int) -> None:
    async with receiving() as elsewhere:
        receiver.replies = [status(code, b"over there", location=f"{elsewhere.origin}/hook")]
        answer = await posted(receiver)
        assert (answer.status, answer.is_taken) == (code, False)
        assert elsewhere.requests == []
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("code", "is_taken"),
    [(200, True), (204, True), (299, True), (400, False), (404, False), (410, False), (503, False)],
)
async def test_only_a_status_of_200_to_299_is_taken(receiver: Receiver, code: int, is_taken: bool) -> None:
    receiver.replies = [status(code)]
    assert (await posted(receiver)).is_taken is is_taken


async def test_answer_is_kept_to_its_first_thousand_bytes_as_text_that_postgres_takes(receiver: Receiver) -> None:
    receiver.replies = [status(200, b"\0\xff" + b"a" * 5_000)]
    assert (await posted(receiver)).text == "\N{REPLACEMENT CHARACTER}" * 2 + "a" * 998


async def test_answer_without_an_end_is_cut(receiver: Receiver) -> None:
    receiver.replies = [endless(receiver)]
    async with asyncio.timeout(SECONDS):
        assert await posted(receiver) == Answer(status=200, text="y" * 1_000)


async def test_silence_and_drips_are_over_after_five_seconds() -> None:
    async with receiving() as silent, receiving() as slow_head, receiving() as slow_body:
        silent.replies = [silence(silent)]
        slow_head.replies = [dripping(slow_head, b"HTTP/1.1 200 OK\r\nx: ")]
        slow_body.replies = [dripping(slow_body, HEAD + b"hi")]
        began = asyncio.get_running_loop().time()
        never, nearly, late = await asyncio.gather(*map(posted, (silent, slow_head, slow_body)))
        took = asyncio.get_running_loop().time() - began
    assert never == nearly == Answer(fault="No answer within 5 seconds.")
    assert late.is_taken  # it said so at once, whatever else it has to say
    assert (late.text or "").startswith("hixx")
    assert SECONDS - 0.5 <= took < SECONDS + 2


@pytest.mark.parametrize(
    "said", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nx:" + b"y" * 200_000]
)
async def test_what_is_no_http_is_a_failure_with_a_sentence(receiver: Receiver, said: bytes) -> None:
    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(said)

    receiver.replies = [reply]
    answer = await posted(receiver)
    assert (answer.status, answer.is_taken) == (None, False)
    assert (answer.fault or "").startswith("The connection failed (")


async def test_nobody_listening_and_a_name_nobody_knows_are_failures(receiver: Receiver) -> None:
    async with receiving() as gone:
        nobody = at(gone)
    assert "ConnectError" in ((await post(nobody, {}, b"{}", lookup)).fault or "")
    unknown = target("https://nobody.invalid/", ())
    assert "gaierror" in ((await post(unknown, {}, b"{}", lookup)).fault or "")
    assert receiver.requests == []


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0"])
async def test_names_that_this_machine_resolves_to_itself_are_refused(host: str) -> None:
    answer = await post(target(f"https://{host}:8443/", ()), {}, b"{}", lookup)
    assert answer == Answer(fault=INSIDE)


@pytest.mark.parametrize(
    "found",
    [
        ["10.0.0.1"],
        ["93.184.216.34", "127.0.0.1"],
        ["127.0.0.1", "93.184.216.34"],
        ["2606:4700:4700::1111", "fd00::1"],
        ["::ffff:169.254.169.254"],
    ],
)
async def test_name_with_one_address_that_leads_inside_is_refused_whole(found: list[str]) -> None:
    resolve, asked = known(*found)
    assert await post(target("https://rebinding.example/", ()), {}, b"{}", resolve) == Answer(fault=INSIDE)
    assert asked == ["rebinding.example"]


async def test_name_is_looked_up_once_and_that_is_called_under_its_name(receiver: Receiver) -> None:
    resolve, asked = known("127.0.0.1")
    inside = at(receiver, "receiver.inside")
    assert (await post(inside, {}, b"{}", resolve)).is_taken
    assert asked == ["receiver.inside"]
    (request,) = receiver.requests
    assert request.headers["host"] == f"receiver.inside:{receiver.port}"


async def test_address_that_does_not_answer_gives_way_to_the_next(receiver: Receiver) -> None:
    resolve, _ = known("127.0.0.9", "127.0.0.1")  # on the first nobody listens
    assert (await post(at(receiver, "receiver.inside"), {}, b"{}", resolve)).is_taken


async def test_proxies_of_the_environment_are_not_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.origin)
        assert (await posted(receiver)).is_taken
        assert proxy.requests == []


async def test_receiver_that_speaks_no_tls_is_told_nothing_in_the_clear() -> None:
    heard: list[bytes] = []

    async def answer_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        heard.append(await reader.read(65_536))
        writer.close()

    async with await asyncio.start_server(answer_at_once, "127.0.0.1", 0) as server:
        origin = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        answer = await post(target(f"{origin}/", {origin}), {}, b"quiet", lookup)
    assert "ConnectError" in (answer.fault or "")
    assert not any(b"quiet" in said or b"POST" in said for said in heard)


@pytest.fixture
def is_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine trusts the receiver's certificate, which it signed itself."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    posting.tls.cache_clear()
    yield
    posting.tls.cache_clear()


@asynccontextmanager
async def with_tls(receiver: Receiver) -> AsyncIterator[int]:
    """The receiver behind TLS, as “receiver.inside”; its port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    async with await asyncio.start_server(receiver.handle, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def posted_by_tls(receiver: Receiver, name: str) -> Answer:
    resolve, _ = known("127.0.0.1")
    async with with_tls(receiver) as port:
        origin = f"https://{name}:{port}"
        return await post(target(f"{origin}/", {origin}), {}, b"{}", resolve)


@pytest.mark.usefixtures("is_known")
async def test_certificate_is_asked_for_the_name_though_the_address_is_called(receiver: Receiver) -> None:
    assert (await posted_by_tls(receiver, "receiver.inside")).is_taken
    assert "ConnectError" in ((await posted_by_tls(receiver, "another.inside")).fault or "")
    assert len(receiver.requests) == 1


async def test_certificate_that_nobody_vouches_for_is_refused_also_inside(receiver: Receiver) -> None:
    assert "ConnectError" in ((await posted_by_tls(receiver, "receiver.inside")).fault or "")
    assert receiver.requests == []
