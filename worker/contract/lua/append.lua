--!include rows
-- ARGV: owner token, active_ttl, sequence number of the first row, row JSON, row JSON, ...
-- Returns what add_rows does.
return add_rows(ARGV[1], ARGV[2], tonumber(ARGV[3]), 4, #ARGV)
