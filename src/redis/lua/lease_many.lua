-- Grants the leases of keys that rules store, of those that Redis lacks.
--
-- KEYS: position; then key, lease and companion of each.
-- ARGV:
--   1  token of the leases
--   2  how long they last, in milliseconds
--   3  epoch that the position must have
--   4  LSN that the position must have reached: upper half,
--   5  and lower half
--   6  companion of a value that a user has stored
-- Returns a text with a digit for each key: 2 = leased, 1 = what belongs there is
-- there, 0 = somebody else has the lease, or what is there is no text; '' = the
-- position is of another epoch, or behind; or the error of a GET.
--
-- The answer of a lookup does not belong under the key of a row.  It has a companion,
-- or has lost it, and then ends in a line feed, unless it is that row.  (Below, the
-- pattern is rtc_is_row_text().)

local position = redis.call('HMGET', KEYS[1], 'epoch', 'lsn')
if position[1] ~= ARGV[3] then
	return ''
end
local upper, lower = string.match(position[2] or '', '^(%x+)/(%x+)$')
if not upper then
	return ''
end
local ahead = tonumber(upper, 16) - ARGV[4]
if ahead < 0 or (ahead == 0 and tonumber(lower, 16) < tonumber(ARGV[5])) then
	return ''
end

local function belongs(value, companion)
	if string.byte(value, -1) == 125 and string.find(value, '^{"[^"\\]*":[^ ]') then
		return true
	end
	companion = redis.pcall('GET', companion)
	if type(companion) == 'string' then
		return companion == ARGV[6]
	end
	return string.byte(value, -1) ~= 10
end

local found = {}
for i = 2, #KEYS, 3 do
	local value = redis.pcall('GET', KEYS[i])
	local digit = '0'
	if type(value) == 'table' then
		if not string.find(value.err, 'WRONGTYPE', 1, true) then
			return value
		end
	elseif value and belongs(value, KEYS[i + 2]) then
		digit = '1'
	elseif redis.call('SET', KEYS[i + 1], ARGV[1], 'PX', ARGV[2], 'NX') then
		digit = '2'
	end
	found[#found + 1] = digit
end
return table.concat(found)
