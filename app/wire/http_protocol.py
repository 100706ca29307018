"""HTTP/1.1 as this server speaks it: uvicorn's, and nothing else is spoken, whatever a client offers."""

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_OF_THE_OFFER = (b"upgrade", b"http2-settings")


class HttpProtocol(HttpToolsProtocol):
    """Passes over an offer to speak another protocol, as a server may (RFC 9110, section 7.8).

    httptools stops behind the head of a request that makes an offer, and uvicorn alone would lose its body. Java's
    HttpClient offers HTTP/2 with every request. So the head is read again without the offer, and the rest behind it.
    """

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        while data:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as stopped:
                if not self._is_offered():  # CONNECT, which was answered
                    return
                data = self._head_without_offer() + data[stopped.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
            except httptools.HttpParserError:
                self.send_400_response("Invalid HTTP request received.")
                return

    def on_headers_complete(self) -> None:
        if not self._is_offered():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self._is_offered():
            super().on_message_complete()

    def _is_offered(self) -> bool:
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _head_without_offer(self) -> bytes:
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        for name, value in self.headers:
            if name == b"connection":
                value = b",".join(word for word in value.split(b",") if word.strip().lower() not in _OF_THE_OFFER)
            if name not in _OF_THE_OFFER and value:
                lines.append(b"%s: %s" % (name, value))
        return b"\r\n".join([*lines, b"", b""])
