"""Access control: keys, signed addresses, and the origins of web pages.

gatekeeper.py        admits a request, or refuses it
callers.py           the admitted caller
api_keys.py          keys, and who holds one
key_file.py          keys in a file that may change
signed_requests.py   takes a signature off a URL
link_signatures.py   makes and checks signatures
origins.py           origins of pages, and preflights
"""
