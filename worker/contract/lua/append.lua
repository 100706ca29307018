--!include rows
-- Write rows of a running job.
-- ARGV: owner token, sequence number of the first row, number of rows, the rows as JSON, one on each line.
-- Returns the same as add_rows.
return add_rows(ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4])
