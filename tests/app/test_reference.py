"""GET /docs: every call, to read and to try, on a page that needs no other site."""

import re

import httpx


def test_docs_need_nothing_from_elsewhere(client: httpx.Client) -> None:
    """The page's files and the schema come from here, are packed for who takes gzip, and need no key."""
    answer = client.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    named = re.findall(r'(?:href|src|url:) ?=?"([^"]+)"', answer.text)
    files = {
        "docs/favicon.png",
        "docs/swagger-ui-bundle.js",
        "docs/swagger-ui.css",
        "openapi.json",
    }
    assert set(named) == files
    for path in named:
        assert client.get(f"/{path}").status_code == 200, path
    seen = client.get("/docs/swagger-ui.css")
    assert (
        client.get(
            "/docs/swagger-ui.css", headers={"If-None-Match": seen.headers["etag"]}
        ).status_code
        == 304
    )
    assert client.get("/docs/nothing.js").status_code == 404
    assert client.head("/docs").status_code == 200
