--!include clock allowances
-- KEYS: the client's bucket. ARGV: its allowances in JSON. Returns the answer of SUBMIT to one job too many, or nothing.
local terms = cjson.decode(ARGV[1])
return beyond_allowance(terms, tokens_of(terms, KEYS[1], tonumber(now()))) or {}
