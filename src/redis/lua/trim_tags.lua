-- Takes members whose time is over out of a tag set.
--
-- KEYS: tag set.  ARGV: how many at most.  Returns how many.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local keys = redis.pcall('ZRANGEBYSCORE', KEYS[1], '-inf',
	string.format('(%.0f', now), 'LIMIT', 0, ARGV[1])
if keys.err or #keys == 0 then
	return 0
end
return redis.call('ZREM', KEYS[1], unpack(keys))
