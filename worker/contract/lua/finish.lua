--!include rows ending
-- Append the last rows and settle in one call, for a job that has succeeded: a reader gets both in one piece.
-- ARGV: as for `append`; then, if there is a result, its JSON and pairs of a field of keys.image and its bytes.
-- Returns 'ended', or the answer of add_rows; 'ok' means that rows are still missing.
local word = add_rows(ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4])
if word ~= 'ok' or not is_whole() then return word end
settle('succeeded', '', ARGV[5], 6)
return 'ended'
