"""aiocoap beside us in npm run bench.

Usage: aiocoap_peer.py serve PORT | codec REPETITIONS | oscore REPETITIONS CLIENT_CONTEXT SERVER_CONTEXT

"serve" answers GET /hello until its standard input ends, and prints the port when it does; the others time themselves
and print lines of JSON with microseconds per call.
"""

import asyncio
import json
import sys
import time

from aiocoap import CON, GET, POST, Context, Message
from aiocoap.oscore import FilesystemSecurityContext
from aiocoap.resource import Resource, Site

CALLS = 100


def measure(name, repetitions, work):
    for _ in range(10 * CALLS):
        work()
    values = []
    for _ in range(repetitions):
        start = time.perf_counter()
        for _ in range(CALLS):
            work()
        values.append((time.perf_counter() - start) * 1e6 / CALLS)
    print(json.dumps({"name": name, "values": values}), flush=True)


class Hello(Resource):
    async def render_get(self, request):
        return Message(payload=b"Hello World!")


async def serve(port):
    site = Site()
    site.add_resource(["hello"], Hello())
    context = await Context.create_server_context(site, bind=("127.0.0.1", port))
    print(json.dumps({"port": port}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await context.shutdown()


def codec(repetitions):
    message = Message(code=GET, _mtype=CON, _mid=0x1234, _token=b"\x01\x02")
    message.opt.uri_path = ("sensors", "temperature")
    message.opt.uri_query = ("unit=celsius",)
    message.opt.accept = 60
    wire = message.encode()
    measure("encode a GET with five options", repetitions, message.encode)
    measure("decode a GET with five options", repetitions, lambda: Message.decode(wire))


def oscore(repetitions, client_directory, server_directory):
    client = FilesystemSecurityContext(client_directory)
    server = FilesystemSecurityContext(server_directory)
    request = Message(code=POST, payload=bytes(10))
    measure("protect a request of 10 B", repetitions, lambda: client.protect(request))
    values = []
    for repetition in range(-repetitions // 4, repetitions):
        messages = []
        for _ in range(CALLS):
            outer, _ = client.protect(request)
            outer.mid, outer.mtype, outer.token = 1, CON, b"\x01"
            messages.append(Message.decode(outer.encode()))
        start = time.perf_counter()
        for message in messages:
            server.unprotect(message)
        if repetition >= 0:
            values.append((time.perf_counter() - start) * 1e6 / CALLS)
    print(json.dumps({"name": "unprotect a request of 10 B", "values": values}), flush=True)


mode, *arguments = sys.argv[1:]
if mode == "serve":
    asyncio.run(serve(int(arguments[0])))
elif mode == "codec":
    codec(int(arguments[0]))
else:
    oscore(int(arguments[0]), arguments[1], arguments[2])
