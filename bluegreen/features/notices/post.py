"""Sends a notice to webhooks: all at the same time, and for a few seconds at most.

A webhook's URL is a secret, so no message here has any part of one.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

SECONDS = 3.0  # for all of them
READ = 1024  # bytes that are read of an answer


class _Stays(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: what is posted would go to somebody whom nobody has named."""

    def redirect_request(self, *_: Any) -> None:
        return None


def post(urls: Sequence[str], notice: Mapping[str, Any], seconds: float = SECONDS) -> list[str]:
    """Why the notice did not reach each of them, in a phrase; empty: it did. Never raises."""
    body = json.dumps(notice).encode()
    found = [f"did not answer within {seconds:g} s"] * len(urls)
    deadline = time.monotonic() + seconds

    def work(number: int) -> None:
        found[number] = _post(urls[number], body, seconds)

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(len(urls))]
    for number, thread in enumerate(threads):
        try:
            thread.start()
        except RuntimeError:  # this user may have no more of them
            found[number] = "no thread could be started"
    for thread in threads:
        if thread.ident is not None:
            thread.join(max(0.0, deadline - time.monotonic()))
    return list(found)


def _post(url: str, body: bytes, seconds: float) -> str:
    headers = {"Content-Type": "application/json", "User-Agent": "bluegreen"}
    try:
        request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - http or https: settings
        with urllib.request.build_opener(_Stays).open(request, timeout=seconds) as answer:
            answer.read(READ)
    except urllib.error.HTTPError as error:
        moved = "; redirects are not followed" if 300 <= error.code < 400 else ""
        error.close()
        return f"answered {error.code}{moved}"
    except TimeoutError:
        return f"did not answer within {seconds:g} s"
    except OSError as error:  # URLError is one, with the reason in it
        return _reason(getattr(error, "reason", error), seconds)
    except Exception as error:  # noqa: BLE001 - its text may have the URL in it; the notice is only a notice
        return type(error).__name__
    return ""


def _reason(error: object, seconds: float) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, TimeoutError):
        return f"did not answer within {seconds:g} s"
    return (error.strerror if isinstance(error, OSError) else "") or type(error).__name__
