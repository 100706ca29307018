--!include rows ending
-- Append and settle at once, for a job that has succeeded: a reader has its last rows and its end in one piece.
-- ARGV: what `append` takes, and where there is one: result JSON, then pairs of a field of keys.image and its bytes.
-- Returns 'ended', or what add_rows does: 'ok' where rows are still lacking.
local word = add_rows(ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4])
if word ~= 'ok' or not is_whole() then return word end
settle('succeeded', '', ARGV[5], 6)
return 'ended'
