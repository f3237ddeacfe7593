"""Websockets at random: whatever frames a stranger with a key sends, they are answered or the websocket is closed.

Of graphql-transport-ws as it should be, of its messages with something else in them, and of bytes that are no message.
"""

import asyncio
import json

from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

Frame = str | bytes
CLOSED_WITH = {1000, 1007, 1009, 4400, 4401, 4403, 4408, 4409, 4429}
"""Codes of the websocket protocol and of graphql-transport-ws; 1011, that the server failed, is not among them."""
TOLD = {"connection_ack", "ping", "pong", "next", "error", "complete"}
LAST = {"type": "subscribe", "id": "last", "payload": {"query": "{ viewer { workspace } }"}}
"""What is sent at the end: whoever answers it has read all the rest."""
ANSWERED = 30.0
"""Seconds after which nothing more is waited for."""
DOCUMENTS = ["{ viewer { workspace } }", "{", "{ nothing }", "mutation { a }", "{ kpis(first: 101) { totalCount } }"]

plain = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
values = st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=4), inner), max_leaves=5)
kinds = st.sampled_from(["connection_init", "ping", "pong", "subscribe", "subscribe", "complete", "next", "start"])
subscribe = st.fixed_dictionaries(
    {
        "type": st.just("subscribe"),
        "id": st.sampled_from(["1", "2", "x" * 300]),
        "payload": st.fixed_dictionaries(
            {"query": st.sampled_from(DOCUMENTS)}, optional={"variables": values, "operationName": values}
        ),
    }
)
bent = st.fixed_dictionaries({"type": kinds | values}, optional={"id": values, "payload": values, "other": values})
sound = (subscribe | st.sampled_from([{"type": "ping"}, {"type": "pong"}, {"type": "complete", "id": "1"}])).map(
    json.dumps
)
messages = (subscribe | bent | values).map(json.dumps)
conversations = st.lists(sound, max_size=3) | st.lists(
    sound | messages | st.text(max_size=40) | st.binary(max_size=40), max_size=6
)


async def send(address: str, key: str, frames: list[Frame]) -> tuple[int | None, list[Frame]]:
    """Say who asks and then the frames; the code that closed the websocket, if any did, and all that was heard."""
    url, heard = address.replace("http:", "ws:").rstrip("/") + "/graphql", list[Frame]()
    async with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")], open_timeout=ANSWERED) as socket:
        try:
            await socket.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {key}"}}))
            for frame in frames:
                await socket.send(frame)
            await socket.send(json.dumps(LAST))
            await _listen(socket, heard)
        except ConnectionClosed:
            return socket.close_code, heard
    return None, heard


async def _listen(socket: ClientConnection, heard: list[Frame]) -> None:
    """Hear all until the last frame is answered."""
    async with asyncio.timeout(ANSWERED):
        while True:
            heard.append(await socket.recv())
            if json.loads(heard[-1]) == {"type": "complete", "id": LAST["id"]}:
                return


def hold(answered: tuple[int | None, list[Frame]]) -> str:
    """Check that what was said back is of the protocol, and no bug; how the websocket ended."""
    code, heard = answered
    assert code is None or code in CLOSED_WITH, answered
    for said in heard:
        assert json.loads(said)["type"] in TOLD, answered
        assert "INTERNAL" not in str(said), answered
    return "answered" if code is None else f"closed with {code}"
