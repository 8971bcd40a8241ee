"""Fetch one image from an http(s) address, within limits of size and time; it follows no other scheme."""

from __future__ import annotations

import time
import urllib.error
import urllib.request

from dinosearch.errors import ImageUnreadableError
from dinosearch.images.finding.address import is_url

MAX_BYTES = 64 << 20
TIMEOUT = 20.0  # seconds for the whole fetch


def fetch_image(url: str, *, max_bytes: int = MAX_BYTES, timeout: float = TIMEOUT) -> bytes:
    """Fetch the bytes of an image.

    Args:
        url: an http or https address.
        max_bytes: largest body that is taken.
        timeout: seconds for the whole fetch, not only for each read.

    Raises:
        ImageUnreadableError: another scheme, no answer in time, an error status, or a body over the limit.
    """
    if not is_url(url):
        raise ImageUnreadableError(url, "only http and https addresses can be fetched")
    deadline = time.monotonic() + timeout
    request = urllib.request.Request(url, headers={"User-Agent": "dinosearch", "Accept": "image/*"})
    parts: list[bytes] = []
    size = 0
    try:
        with _OPENER.open(request, timeout=timeout) as answer:
            while chunk := answer.read1(1 << 16):
                size += len(chunk)
                if size > max_bytes:
                    raise ImageUnreadableError(url, f"larger than {max_bytes >> 20} MiB")
                if time.monotonic() > deadline:
                    raise TimeoutError
                parts.append(chunk)
    except urllib.error.HTTPError as error:
        raise ImageUnreadableError(url, f"the server answered {error.code} {error.reason}") from None
    except TimeoutError:
        raise ImageUnreadableError(url, f"no complete answer within {timeout:g} s") from None
    except (OSError, ValueError) as error:
        raise ImageUnreadableError(url, f"cannot be fetched ({getattr(error, 'reason', error)})") from None
    return b"".join(parts)


class _WebOnlyRedirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects to http and https only, so that a server cannot point at a local file."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        if not is_url(newurl):
            raise urllib.error.HTTPError(newurl, code, "redirect to another scheme", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_WebOnlyRedirects)
