"""An aiocoap client with OSCORE for scripts/test-interop.ts: walks through our plugtest server.

Usage: aiocoap_client.py BASE_URI DIRECTORY WRONG_KEY_DIRECTORY REPLAYING_DIRECTORY OTHER_DIRECTORY...

Prints one line for each check: "pass NAME" or "FAIL NAME: what happened".
"""

import asyncio
import sys

from aiocoap import (
    CHANGED,
    CONTENT,
    DELETE,
    DELETED,
    GET,
    INTERNAL_SERVER_ERROR,
    POST,
    PRECONDITION_FAILED,
    PUT,
    UNAUTHORIZED,
    BAD_REQUEST,
    Context,
    Message,
)

TIMEOUT = 20


class Failure(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Failure(what)


async def client(base, directory):
    context = await Context.create_client_context()
    if directory is not None:
        context.client_credentials.load_from_dict({base + "/*": {"oscore": {"basedir": directory}}})
    return context


class Checks:
    def __init__(self, base, directory, wrong, replaying, *others):
        self.base = base
        self.directory = directory
        self.wrong = wrong
        self.replaying = replaying
        self.others = others
        self.context = None

    async def ask(self, code, path, context=None, **options):
        message = Message(code=code, uri=self.base + path, **options)
        return await asyncio.wait_for((context or self.context).request(message).response, TIMEOUT)

    async def get(self):
        response = await self.ask(GET, "/oscore/hello/1")
        expect(response.code == CONTENT, f"code {response.code}")
        expect(response.payload == b"Hello World!", f"payload {response.payload}")
        expect(response.opt.content_format == 0, f"Content-Format {response.opt.content_format}")

    async def get_with_query_and_etag(self):
        response = await self.ask(GET, "/oscore/hello/2?first=1")
        expect(response.opt.etag == b"\x2b", f"ETag {response.opt.etag}")

    async def get_with_max_age(self):
        response = await self.ask(GET, "/oscore/hello/3")
        expect(response.opt.max_age == 5, f"Max-Age {response.opt.max_age}")

    async def post(self):
        response = await self.ask(POST, "/oscore/hello/6", payload=b"J", content_format=0)
        expect(response.code == CHANGED, f"code {response.code}")
        expect(response.payload == b"J", f"payload {response.payload}")

    async def put(self):
        response = await self.ask(PUT, "/oscore/hello/7", payload=b"z", if_match=[b"\x7b"])
        expect(response.code == CHANGED, f"code {response.code}")
        response = await self.ask(PUT, "/oscore/hello/7", payload=b"z", if_none_match=True)
        expect(response.code == PRECONDITION_FAILED, f"code {response.code}")

    async def delete(self):
        response = await self.ask(DELETE, "/oscore/test")
        expect(response.code == DELETED, f"code {response.code}")

    async def observe(self):
        message = Message(code=GET, uri=self.base + "/oscore/observe1", observe=0)
        request = self.context.request(message)
        got = [(await asyncio.wait_for(request.response, TIMEOUT)).payload]
        async def collect():
            async for notification in request.observation:
                got.append(notification.payload)
                if notification.code == INTERNAL_SERVER_ERROR:
                    return
        try:
            await asyncio.wait_for(collect(), TIMEOUT)
        except asyncio.TimeoutError:
            pass
        except Exception as error:
            # The last notification is an error, which ends the iteration by an exception in some versions.
            got.append(type(error).__name__)
        expect(got[:2] == [b"one", b"two"], f"notifications {got}")
        expect(len(got) == 3, f"no end: {got}")

    async def block_wise(self):
        payload = bytes(0x61 + index % 26 for index in range(4000))
        response = await self.ask(PUT, "/oscore/large", payload=payload)
        expect(response.code == CHANGED, f"code {response.code}")
        response = await self.ask(GET, "/oscore/large")
        expect(response.payload == payload, f"{len(response.payload)} bytes, not those that were put")

    async def no_oscore(self):
        context = await client(self.base, None)
        response = await self.ask(GET, "/oscore/hello/1", context=context)
        expect(response.code == UNAUTHORIZED, f"code {response.code}")
        await context.shutdown()

    async def refused(self, directory, code, text):
        """Our unprotected errors must not pass for answers; what the client makes of them is its business."""
        context = await client(self.base, directory)
        try:
            response = await asyncio.wait_for(
                context.request(Message(code=GET, uri=self.base + "/oscore/hello/1")).response, TIMEOUT
            )
            expect(response.code == code, f"code {response.code}")
            expect(response.payload != b"Hello World!", "the resource was given away")
        except Failure:
            raise
        except Exception as error:
            expect(not isinstance(error, asyncio.TimeoutError), "no answer at all")
        finally:
            await context.shutdown()

    async def wrong_key(self):
        await self.refused(self.wrong, BAD_REQUEST, b"Decryption failed")

    async def replay(self):
        await self.refused(self.replaying, UNAUTHORIZED, b"Replay detected")

    async def other_contexts(self):
        for directory in self.others:
            context = await client(self.base, directory)
            response = await self.ask(GET, "/oscore/hello/1", context=context)
            expect(response.payload == b"Hello World!", f"{directory}: payload {response.payload}")
            await context.shutdown()

    async def run(self):
        self.context = await client(self.base, self.directory)
        failed = False
        for check in (
            self.get,
            self.get_with_query_and_etag,
            self.get_with_max_age,
            self.post,
            self.put,
            self.delete,
            self.observe,
            self.block_wise,
            self.no_oscore,
            self.wrong_key,
            self.replay,
            self.other_contexts,
        ):
            try:
                await check()
                print(f"pass {check.__name__}", flush=True)
            except Exception as error:
                failed = True
                print(f"FAIL {check.__name__}: {type(error).__name__} {error}", flush=True)
        await self.context.shutdown()
        return failed


if __name__ == "__main__":
    sys.exit(1 if asyncio.run(Checks(*sys.argv[1:]).run()) else 0)
