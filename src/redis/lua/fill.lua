-- Stores a value and its companion, and gives the lease back.
--
-- KEYS: key, lease, position, companion.
-- ARGV: token of the lease, value, its milliseconds (0 = for ever), epoch that
-- the position must have, text of the companion.
-- Returns 1 = stored, 0 = the lease is gone, or the epoch is another one.
--
-- The companion is written first, since it is the first write that may be
-- refused; and it expires a second later, since the value is nothing without it.

if redis.call('HGET', KEYS[3], 'epoch') ~= ARGV[4] then
	return 0
end
if redis.pcall('GET', KEYS[2]) ~= ARGV[1] then
	return 0
end
if ARGV[3] == '0' then
	redis.call('SET', KEYS[4], ARGV[5])
	redis.call('SET', KEYS[1], ARGV[2])
else
	redis.call('SET', KEYS[4], ARGV[5], 'PX',
		string.format('%.0f', ARGV[3] + 1000))
	redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
redis.call('DEL', KEYS[2])
return 1
