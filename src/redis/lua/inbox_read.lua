-- Reads entries of an inbox.
--
-- KEYS: inbox, position, the id of what has come round.
-- ARGV:
--   1  epoch
--   2  id of the last entry that was read
--   3  most entries
--   4  most bytes, about
--   5  most bytes of one entry
-- Returns {-1} = the position is of another epoch; else {entries in the inbox,
-- {{id, field, value, ...}, ...}, is there an id of what has come round?, are these
-- all?}.  An entry that is too large has its id alone.

if redis.call('HGET', KEYS[2], 'epoch') ~= ARGV[1] then
	return {-1}
end

local most, most_bytes, most_of_one = ARGV[3] + 0, ARGV[4] + 0, ARGV[5] + 0
local found, bytes, from = {}, 0, '(' .. ARGV[2]

local function result(all)
	return {redis.call('XLEN', KEYS[1]), found, redis.call('EXISTS', KEYS[3]), all}
end

while true do
	local entries = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', 100)
	for _, entry in ipairs(entries) do
		local fields, size = entry[2], 0
		for _, text in ipairs(fields) do
			size = size + #text
		end
		if #fields > 16 or size > most_of_one then
			fields, size = {}, 0
		end
		table.insert(fields, 1, entry[1])
		found[#found + 1] = fields
		bytes = bytes + size + 64
		if #found >= most or bytes >= most_bytes then
			return result(0)
		end
		from = '(' .. entry[1]
	end
	if #entries < 100 then
		return result(1)
	end
end
