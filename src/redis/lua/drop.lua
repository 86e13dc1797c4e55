-- Deletes what is no valid value.
--
-- KEYS: key.  ARGV: the value to delete; nothing = whatever is no string.
-- Returns 1 = it was there, 0 = it was not; or the error of the GET.

local value = redis.pcall('GET', KEYS[1])
local bad
if type(value) == 'table' then
	if not string.find(value.err, 'WRONGTYPE', 1, true) then
		return value
	end
	bad = ARGV[1] == nil
else
	bad = value and value == ARGV[1]
end
if bad then
	return redis.call('DEL', KEYS[1])
end
return 0
