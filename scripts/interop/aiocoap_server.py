"""An aiocoap server with OSCORE for scripts/test-interop.ts.

Usage: aiocoap_server.py PORT CONTEXT_DIRECTORY...

Prints "ready" when it listens, and ends with its standard input.
"""

import asyncio
import sys

from aiocoap import CHANGED, CONTENT, DELETED, Context, Message
from aiocoap.credentials import CredentialsMap
from aiocoap.numbers.contentformat import ContentFormat
from aiocoap.oscore_sitewrapper import OscoreSiteWrapper
from aiocoap.resource import ObservableResource, Resource, Site


class Hello(Resource):
    async def render_get(self, request):
        return Message(payload=b"Hello World!", content_format=ContentFormat.TEXT)


class Value(Resource):
    """Keeps what is put; large values make for block-wise transfers in both directions."""

    def __init__(self):
        super().__init__()
        self.value = b"nothing yet"

    async def render_get(self, request):
        return Message(payload=self.value)

    async def render_put(self, request):
        self.value = request.payload
        return Message(code=CHANGED)

    async def render_delete(self, request):
        self.value = b""
        return Message(code=DELETED)


class Reflect(Resource):
    async def render_post(self, request):
        return Message(code=CHANGED, payload=request.payload)


class Counter(ObservableResource):
    """Counts up while somebody observes it."""

    def __init__(self):
        super().__init__()
        self.count = 0
        self.task = None

    def update_observation_count(self, count):
        if count > 0 and self.task is None:
            self.task = asyncio.get_running_loop().create_task(self.run())
        if count == 0 and self.task is not None:
            self.task.cancel()
            self.task = None

    async def run(self):
        while True:
            await asyncio.sleep(0.2)
            self.count += 1
            self.updated_state()

    async def render_get(self, request):
        return Message(code=CONTENT, payload=str(self.count).encode())


async def main(port, directories):
    site = Site()
    site.add_resource(["hello"], Hello())
    site.add_resource(["value"], Value())
    site.add_resource(["reflect"], Reflect())
    site.add_resource(["counter"], Counter())
    credentials = CredentialsMap()
    credentials.load_from_dict(
        {f":{index}": {"oscore": {"basedir": directory}} for index, directory in enumerate(directories)}
    )
    context = await Context.create_server_context(
        OscoreSiteWrapper(site, credentials), bind=("127.0.0.1", port)
    )
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await context.shutdown()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2:]))
