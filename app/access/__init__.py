"""Who may do what: keys, signed addresses, and the origins of web pages.

gatekeeper.py       lets a request in, or says why not
callers.py          who was let in                        api_keys.py         keys, and who holds one
signed_requests.py  a signature taken off an address      link_signatures.py  a signature made and checked
origins.py          pages of other sites, as browsers name them
"""
