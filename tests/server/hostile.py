"""Raw requests that no browser and no client of ours would send, and what a server may answer to each."""

from __future__ import annotations

import io
import json
import socket
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from PIL import Image

HERE = "/v1/collections/home"
GARBAGE = bytes(range(256)) * 8


def read(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    found = b""
    try:
        while piece := connection.recv(1 << 16):
            found += piece
    except ConnectionResetError:
        pass
    return found


def request(
    method: str,
    target: str,
    body: bytes = b"",
    *headers: str,
    host: str | None = "127.0.0.1",
    kind: str | None = None,
    version: str = "1.1",
) -> bytes:
    """A request that closes the connection behind it."""
    lines = [f"{method} {target} HTTP/{version}", *([f"Host: {host}"] if host is not None else []), *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    if kind:
        lines.append(f"Content-Type: {kind}")
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + body


def post(path: str, data: bytes | Any, *headers: str) -> bytes:
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return request("POST", HERE + path, body, *headers, kind="application/json")


def multipart(path: str, body: bytes, boundary: str = "b", *headers: str) -> bytes:
    return request("POST", HERE + path, body, *headers, kind=f"multipart/form-data; boundary={boundary}")


def part(content: bytes, disposition: str = 'form-data; name="image"; filename="a.png"', *headers: str) -> bytes:
    head = "".join(f"{line}\r\n" for line in (f"Content-Disposition: {disposition}", *headers))
    return b"--b\r\n" + head.encode("utf-8", "surrogateescape") + b"\r\n" + content + b"\r\n"


END = b"--b--\r\n"


def png(width: int, height: int, *chunks: tuple[bytes, bytes], data: bytes = b"") -> bytes:
    """A PNG that says it is so large, with other chunks, and with any data in place of pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    found = b"\x89PNG\r\n\x1a\n"
    for kind, content in ((b"IHDR", head), *chunks, (b"IDAT", data or zlib.compress(bytes(1000))), (b"IEND", b"")):
        found += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return found


def picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), (200, 100, 50)).save(buffer, "PNG")
    return buffer.getvalue()


def bombs() -> Iterator[tuple[str, bytes]]:
    """Small files that would be large pictures, or never end."""
    yield "png of 60,000 x 60,000", png(60_000, 60_000, data=zlib.compress(bytes(10_000_000), 9))
    yield "png of 2^31 - 1 squared", png(2**31 - 1, 2**31 - 1)
    yield "png of no height", png(100, 0)
    text = b"Comment\0\0" + zlib.compress(bytes(200_000_000), 9)
    yield "png with 200 MB of text", png(10, 10, (b"zTXt", text), data=zlib.compress(bytes(310)))
    profile = b"icc\0\0" + zlib.compress(bytes(200_000_000), 9)
    yield "png with 200 MB of profile", png(10, 10, (b"iCCP", profile), data=zlib.compress(bytes(310)))
    screen = b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02\x4c\x01\x00"
    yield "gif of 65,535 squared", screen + frame * 200 + b";"
    yield (
        "bmp of 2^31 rows",
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 2**31 - 1, -(2**31), 1, 24, *[0] * 6),
    )
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + struct.pack("<HHII", 256, 4, 2**30, 2**30) + b"\x08\0\0\0"
    yield "tiff whose directory is itself", tiff
    jpeg = io.BytesIO()
    Image.new("RGB", (8, 8)).save(jpeg, "JPEG")
    data = bytearray(jpeg.getvalue())
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = b"\xff\xdc\xff\xdc"
    yield "jpeg of 65,500 squared", bytes(data)
    yield (
        "svg with an entity",
        b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
    )
    yield "postscript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(x) run\n"
    yield "the path of a file", b"/etc/passwd"
    yield "an id", b"id:1"
    yield "an address", b"http://127.0.0.1:1/"


JSON_BOMBS: dict[str, bytes] = {
    "nested lists": b"[" * 200_000,
    "nested lists that close": b"[" * 50_000 + b"]" * 50_000,
    "nested in examples": b'{"examples":' + b"[" * 3000 + b"]" * 3000 + b"}",
    "nested objects": b'{"a":' * 30_000 + b"1" + b"}" * 30_000,
    "number of 100,000 digits": b'{"examples":[{"id":' + b"9" * 100_000 + b"}]}",
    "number beyond all": b'{"examples":[{"id":1}],"threshold":1e999999}',
    "number of large exponent": b'{"examples":[{"id":1e400}]}',
    "not a number": b'{"examples":[{"vector":[NaN]}]}',
    "infinity": b'{"examples":[{"id":1}],"threshold":-Infinity}',
    "half a character": b'{"examples":[{"id":1}],"where":"\\ud800"}',
    "no UTF-8": b'{"examples":[{"id":1}],"where":"\xff\xfe"}',
    "UTF-16": '{"examples":[{"id":1}]}'.encode("utf-16"),
    "nul in a text": b'{"examples":[{"id":1}],"where":"width > 1\\u0000"}',
    "a text": b'"text"',
    "null": b"null",
    "nothing": b" ",
    "two documents": b'{"examples":[{"id":1}]} {"examples":[{"id":1}]}',
    "a comment": b'{"examples":[{"id":1}]} // more',
    "unknown keys": b'{"examples":[{"id":1}],"__class__":"os.system","__proto__":{}}',
    "boolean id": b'{"examples":[{"id":true}]}',
    "text id": b'{"examples":[{"id":"1"}]}',
    "float id": b'{"examples":[{"id":1.5}]}',
    "negative id": b'{"examples":[{"id":-1}]}',
    "a path": b'{"examples":[{"id":"/etc/passwd"}]}',
    "an address": b'{"examples":[{"url":"http://169.254.169.254/latest/meta-data"}]}',
    "a file address": b'{"examples":[{"url":"file:///etc/passwd"}]}',
    "a part without upload": b'{"examples":[{"part":0}]}',
    "several kinds": b'{"examples":[{"id":1,"part":0}]}',
    "17 examples": b'{"examples":[' + b",".join([b'{"id":1}'] * 17) + b"]}",
    "100,000 examples": b'{"examples":[' + b",".join([b'{"id":1}'] * 100_000) + b"]}",
    "wide vector": b'{"examples":[{"vector":[' + b",".join([b"1"] * 20_000) + b"]}]}",
    "k of a million": b'{"examples":[{"id":1}],"k":1000000}',
    "cursor": b'{"examples":[{"id":1}],"cursor":"AAAA.AAAA"}',
    "long cursor": b'{"examples":[{"id":1}],"cursor":"' + b"A" * 100_000 + b'"}',
    "deep filter": b'{"examples":[{"id":1}],"where":"' + b"(" * 999 + b"id=1" + b")" * 999 + b'"}',
    "many nots": b'{"examples":[{"id":1}],"where":"' + b"not " * 450 + b'id=1"}',
    "greedy glob": b'{"examples":[{"id":1}],"where":"name glob \'' + b"*a" * 900 + b"'\"}",
    "sql": b'{"examples":[{"id":1}],"where":"id=1; drop table images"}',
    "sql comment": b'{"examples":[{"id":1}],"where":"id=1 or 1=1 --"}',
    "sql union": b'{"examples":[{"id":1}],"where":"id=1) union select * from settings where (1=1"}',
    "nan box": b'{"examples":[{"id":1}],"box":[0,0,NaN,1]}',
    "endless box": b'{"examples":[{"id":1}],"box":[0,0,1e308,1e308]}',
    "box inside out": b'{"examples":[{"id":1}],"box":[1,1,0,0]}',
    "weights": b'{"examples":[{"id":1,"weight":1e308}]}',
    "stages": b'{"examples":[{"id":1}],"rerank":"' + b"expansion," * 15 + b'expansion"}',
}


def multiparts() -> Iterator[tuple[str, bytes, frozenset[int]]]:
    """Uploads that are none, or too much of one."""
    image, refused = picture(), frozenset({400, 422})
    good = part(image) + END
    inner = b"--c\r\nContent-Disposition: form-data; name=x\r\n\r\n1\r\n--c--\r\n"
    yield "nested", part(inner, 'form-data; name="image"', "Content-Type: multipart/mixed; boundary=c") + END, refused
    yield "10,000 parts", part(b"", 'form-data; name="image"; filename="a"') * 10_000 + END, refused | {413}
    yield "10,000 fields", part(b"1", 'form-data; name="question"') * 10_000 + END, refused | {413}
    yield "65 images", part(image) * 65 + END, refused
    yield "17 images", part(image) * 17 + END, refused
    yield "huge header of a part", part(image, 'form-data; name="image"', "X-A: " + "a" * 500_000) + END, refused
    many = [f"X-{number}: a" for number in range(20_000)]
    yield "20,000 headers of a part", part(image, 'form-data; name="image"', *many) + END, refused
    yield "huge name", part(image, f'form-data; name="{"a" * 300_000}"') + END, refused
    yield "huge file name", part(image, f'form-data; name="image"; filename="{"a" * 300_000}"') + END, refused | {200}
    yield "preamble", b"x" * 600_000 + b"\r\n" + good, refused | {200}
    yield "preamble of line ends", b"\r\n" * 300_000 + good, refused | {200}
    yield "preamble of dashes", b"--" * 300_000 + good, refused | {200}
    yield "epilogue", good + b"y" * 600_000, refused | {200}
    yield "epilogue of line ends", good + b"\r\n" * 300_000, refused | {200}
    yield "no end", part(image), refused
    yield "half a part", part(image)[:60], refused
    yield "nothing but the end", END, refused
    yield "empty boundary line", b"--\r\n" * 1000, refused
    yield "no disposition", b"--b\r\n\r\n1\r\n" + END, refused
    yield "no name", part(image, "form-data") + END, refused
    yield "empty name", part(image, 'form-data; name=""') + END, refused
    yield "another part", part(image, 'form-data; name="path"') + END, refused
    yield "attachment", part(image, 'attachment; name="image"; filename="a"') + END, refused | {200}
    yield (
        "path as file name",
        part(image, 'form-data; name="image"; filename="../../../etc/passwd"') + END,
        frozenset({200}),
    )
    yield "nul in file name", part(image, 'form-data; name="image"; filename="a\x00b"') + END, refused | {200}
    yield "line ends in file name", part(image, 'form-data; name="image"; filename="a\rb"') + END, refused | {200}
    yield (
        "coded file name",
        part(image, "form-data; name=\"image\"; filename*=UTF-8''%2e%2e%2fx") + END,
        refused | {200},
    )
    yield "bare text of a broken question", good[: -len(END)] + part(b"{", 'form-data; name="question"') + END, refused
    two = part(b"{}", 'form-data; name="question"') * 2
    yield "two questions", good[: -len(END)] + two + END, refused
    deep = part(b"[" * 100_000, 'form-data; name="question"')
    yield "deep question", good[: -len(END)] + deep + END, refused
    later = part(b'{"examples":[{"part":9}]}', 'form-data; name="question"')
    yield "part that is not there", good[: -len(END)] + later + END, refused
    yield "garbage", GARBAGE * 20, refused
    yield "empty image", part(b"") + END, refused
    yield "no image", part(b"this is none") + END, refused
    yield "base64", part(b"AAAA", 'form-data; name="image"', "Content-Transfer-Encoding: base64") + END, refused
    for name, content in bombs():
        yield name, part(content) + END, refused


BOUNDARIES = {
    "no boundary": "multipart/form-data",
    "empty boundary": "multipart/form-data; boundary=",
    "long boundary": "multipart/form-data; boundary=" + "b" * 5000,
    "quoted boundary": 'multipart/form-data; boundary="',
    "odd boundary": "multipart/form-data; boundary=\xff\xfe",
    "two boundaries": "multipart/form-data; boundary=b; boundary=c",
    "mixed": "multipart/mixed; boundary=b",
    "odd charset": "multipart/form-data; boundary=b; charset=utf-7",
    "unknown charset": "multipart/form-data; boundary=b; charset=x-nothing",
    "form": "application/x-www-form-urlencoded",
    "text": "text/plain",
    "none": "",
    "many parameters": "multipart/form-data" + "; a=b" * 2000,
    "json": "application/json; charset=utf-16",
}

TARGETS = [
    "/../../../../etc/passwd",
    "/..%2f..%2f..%2fetc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/%252e%252e/etc/passwd",
    "/..%5c..%5cetc%5cpasswd",
    "/index.html/../../settings.py",
    "/index.html%00.png",
    "/page/../settings.py",
    "/settings.py",
    "/.git/config",
    "//etc/passwd",
    "///",
    "/./",
    "/%2f%2fetc/passwd",
    "/%c0%ae%c0%ae/etc/passwd",
    "/%ff",
    "/%",
    "/%zz",
    "/a;b",
    "/openapi.json",
    "/docs",
    "/v1",
    "/v1/",
    "/v1//health",
    "/v1/health/",
    "/V1/health",
    "/v1/collections/",
    "/v1/collections/..",
    "/v1/collections/%2e%2e",
    "/v1/collections/..%2fhome",
    "/v1/collections/home%2f..%2fhome",
    "/v1/collections/home%00",
    "/v1/collections/%2Fetc%2Fpasswd",
    "/v1/collections/home/images/..%2f1/picture",
    "/v1/collections/home/images/1%2f../picture",
    "/v1/collections/home/images/%31%2fpicture",
    "/v1/collections/home/images/-1/picture",
    "/v1/collections/home/images/+1/picture",
    "/v1/collections/home/images/1.0/picture",
    "/v1/collections/home/images/0x1/picture",
    "/v1/collections/home/images/01/picture",
    "/v1/collections/home/images/%D9%A1/picture",
    "/v1/collections/home/images/1e3/picture",
    "/v1/collections/home/images/" + "9" * 4000 + "/picture",
    "/v1/collections/home/images/999999/picture",
    "/v1/collections/home/images/1/picture?size=../../x",
    "/v1/collections/home/images/1/picture?size=161",
    "/v1/collections/home/images/1/picture?size=160&size=99999",
    "/v1/collections/home/images/1/picture?size=%31%36%30%00",
    "/v1/collections/home/images/1/picture?path=/etc/passwd&size=1",
    "/v1/collections/home/files?limit=-1",
    "/v1/collections/home/files?limit=1e3",
    "/v1/collections/home/files?limit=0",
    "/v1/collections/home/files?limit=%D9%A1",
    "/v1/collections/home/files?cursor=../../etc/passwd",
    "/v1/collections/home/files?cursor=" + "A" * 3000,
    "/v1/collections/home/files?where=%00",
    "/v1/collections/home/files?where=%ff%fe",
    "/v1/collections/home/files?where=%0d%0aSet-Cookie:%20a=b",
    "/v1/collections/home/files?where=" + "(" * 1500,
    "/v1/jobs/..%2f..%2fetc",
    "/v1/jobs/" + "a" * 3000,
    "/v1/jobs/x/events",
    "/v1/collections/home/search",
    "/%0d%0aSet-Cookie:%20a=b",
    "/v1/collections/%0d%0aSet-Cookie:%20a=b",
]

METHODS = ["TRACE", "PUT", "PATCH", "PROPFIND", "OPTIONS", "DELETE", "LOCK", "SEARCH", "PURGE", "HEAD"]

HOSTS = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "127.0.0.1:80@evil.example",
    "evil.example#127.0.0.1",
    "127.0.0.1/evil",
    "127.0.0.2",
    "0.0.0.0",
    "2130706433",
    "0x7f.1",
    "127.1",
    "[::ffff:127.0.0.1]",
    "[::1]evil",
    "[::1",
    "127.0.0.1:port",
    "127.0.0.1:999999",
    "127.0.0.1 evil",
    "127.0.0.1,evil.example",
    "",
    "localhost\\evil",
    "\xff",
    "a" * 4000,
]
GOOD_HOSTS = ["127.0.0.1", "localhost", "LOCALHOST:8765", "127.0.0.1:1", "[::1]:8765", "localhost."]

ORIGINS = [
    "null",
    "http://evil.example",
    "http://127.0.0.1.evil.example",
    "http://127.0.0.1:1",
    "https://127.0.0.1:80",
    "file://",
    "http://127.0.0.1@evil.example",
    "http://evil.example/127.0.0.1",
    "",
    "127.0.0.1",
    "chrome-extension://abc",
    "http://[::1",
    "\xff",
]

RANGES = [
    "bytes=0-0",
    "bytes=-1",
    "bytes=5-1",
    "bytes=99999999999999999999-",
    "bytes=-99999999999999999999",
    "bytes=0-,0-,0-",
    "bytes=" + ",".join(f"{i}-{i + 1}" for i in range(0, 4000, 2)),
    "bytes=" + ",".join(["0-"] * 4000),
    "bytes=" + "0-0," * 3000,
    "bytes=--1",
    "bytes=a-b",
    "bytes=",
    "bytes",
    "items=0-1",
    "bytes=0-1" + " " * 4000,
    "=" * 4000,
    "bytes=0-1\t,\t2-3",
]

HEADERS = [
    "Cookie: " + "a=b; " * 3000,
    "Cookie: dinosearch=" + "A" * 8000,
    "Cookie: dinosearch=..%2f..; dinosearch=\xff; =; ;;;",
    'Cookie: "',
    "Accept: " + "*/*;q=0.1," * 1000,
    "Accept-Encoding: " + "gzip," * 2000,
    "Accept-Language: \xff\xfe",
    "Authorization: Bearer " + "A" * 8000,
    "Authorization: Basic ::::",
    "Authorization: \xff",
    "If-None-Match: " + '"a",' * 3000,
    "If-None-Match: *",
    "If-Modified-Since: never",
    "X-Request-Id: " + "a" * 5000,
    "X-Request-Id: a<script>b",
    "X-Forwarded-For: 127.0.0.1, evil",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Proto: gopher",
    "Forwarded: for=evil;host=evil",
    "X-Original-URL: /v1/jobs",
    "X-HTTP-Method-Override: DELETE",
    "Transfer-Encoding: ",
    "Content-Length: ",
    "Expect: 200-ok",
    "Upgrade: websocket",
    "Upgrade: h2c",
    "HTTP2-Settings: AAMAAABkAAQAAP__",
    "Sec-WebSocket-Key: x",
    "TE: trailers, deflate",
    "Trailer: Host",
    "Last-Event-ID: -1",
    "Via: 1.1 evil",
    ": no name",
    "Name with space: x",
]
