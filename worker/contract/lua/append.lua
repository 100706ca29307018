--!include rows
-- ARGV: owner token, sequence number of the first row, how many rows, the rows in JSON, a line each.
-- Returns what add_rows does.
return add_rows(ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4])
