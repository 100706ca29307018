--!include rows ending
-- Append and settle at once, for a job that has succeeded: a reader has its last rows and its end in one piece.
-- ARGV: owner token, active_ttl, sequence number of the first row, how many rows, the rows in JSON,
--       and where there is one: result JSON, then pairs of a field of keys.image and its bytes.
-- Returns 'ended', or what add_rows does: 'ok' where rows are still lacking.
local last = 4 + tonumber(ARGV[4])
local word = add_rows(ARGV[1], ARGV[2], tonumber(ARGV[3]), 5, last)
if word ~= 'ok' or not is_whole() then return word end
keep_pictures(last + 2, settle('succeeded', '', ARGV[last + 1]))
return 'ended'
