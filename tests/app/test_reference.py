"""GET /docs: the schema as a page that needs no other site."""

import json
import re

import httpx

from app.main import create_app
from app.schema import api_page
from app.settings import Settings


def test_docs_name_everything_and_fetch_nothing(client: httpx.Client) -> None:
    """Every call and document, under links that lead somewhere; no script, style or picture from anywhere."""
    answer = client.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    schema = client.get("/openapi.json").json()
    places = set(re.findall(r'id="(\w+)"', answer.text))
    calls = {operation["operationId"] for path in schema["paths"].values() for operation in path.values()}
    assert places == calls | set(schema["components"]["schemas"])
    assert set(re.findall(r'href="#(\w+)"', answer.text)) == places
    assert set(re.findall(r'(?:href|src)="([^"#]+)"', answer.text)) == {"/", "/openapi.json"}
    assert "<script" not in answer.text
    assert "url(" not in answer.text
    assert client.head("/docs").status_code == 200


def test_what_the_schema_says_is_text_on_the_page() -> None:
    """Whatever stands in a description, and code where it has backquotes."""
    schema = json.loads(json.dumps(create_app(Settings()).openapi()))
    schema["info"]["description"] = "`a<b` <script>alert(1)</script>"
    text = api_page.page(schema)
    assert "<p><code>a&lt;b</code> &lt;script&gt;alert(1)&lt;/script&gt;</p>" in text
