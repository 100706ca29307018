--!include clock allowances
-- Count a request that was refused after work had been done for it.
-- KEYS: the client's bucket. ARGV: its allowances in JSON.
local terms, at = cjson.decode(ARGV[1]), tonumber(now())
spend(terms, KEYS[1], tokens_of(terms, KEYS[1], at), at)
