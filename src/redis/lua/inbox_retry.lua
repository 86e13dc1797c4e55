-- Puts dead letters back into the inbox, with new ids.
--
-- KEYS: dead letters, inbox, position.
-- ARGV: epoch, id of the last one that was looked at, id of the last one that was
-- there at first ('' = not known yet), how many at most.
-- Returns {-1} = the position is of another epoch; else {put back, id of the last
-- one that was looked at now, or '', id of the last one that was there at first}.
-- Those of which nothing but the error was kept stay.

local dead, inbox, until_id = KEYS[1], KEYS[2], ARGV[3]
if redis.call('HGET', KEYS[3], 'epoch') ~= ARGV[1] then
	return {-1}
end
-- What is put back may be dead again at once.
if until_id == '' then
	local newest = redis.call('XREVRANGE', dead, '+', '-', 'COUNT', 1)[1]
	until_id = newest and newest[1] or '0-0'
end
local moved, last = 0, ''
for _, letter in ipairs(redis.call('XRANGE', dead, '(' .. ARGV[2], until_id,
		'COUNT', ARGV[4])) do
	local fields = letter[2]
	local n = #fields
	last = letter[1]
	-- Behind those of the entry are: entry, error, sqlstate, time.
	if n > 8 then
		redis.call('XADD', inbox, '*', unpack(fields, 1, n - 8))
		redis.call('XDEL', dead, last)
		-- A database that goes back in time must not apply both.
		redis.call('XDEL', inbox, fields[n - 6])
		moved = moved + 1
	end
end
return {moved, last, until_id}
