"""Access control: API keys, signed URLs, and the origins of web pages.

gatekeeper.py        admits a request or refuses it
callers.py           the caller who was admitted
api_keys.py          keys, their holders, and addresses that send wrong keys
key_file.py          keys in a file that may change
link_signatures.py   makes and checks signatures
origins.py           origins of pages, and preflight requests
"""
