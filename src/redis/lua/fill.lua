-- Stores a value and its companion, and gives the lease back.
--
-- KEYS: key, lease, position, companion, the list of pending entries of the key,
-- the id of the last entry that has come round (behind.lua).
-- ARGV: token of the lease, value, its milliseconds (0 = for ever), epoch that
-- the position must have, text of the companion.
-- Returns 1 = stored, 0 = the lease is gone, the epoch is another one, or the
-- key is written behind: who reads Redis has seen more than the database has.
--
-- The companion is written first, since it is the first write that may be
-- refused; and it expires a second later, since the value is nothing without it.

if redis.call('HGET', KEYS[3], 'epoch') ~= ARGV[4] then
	return 0
end
if redis.pcall('GET', KEYS[2]) ~= ARGV[1] then
	return 0
end

-- If all entries have come round, the list is of no use: whoever asks for the
-- lease from now on sees them.  We may have asked before.
local last = redis.pcall('LINDEX', KEYS[5], -1)
if type(last) == 'string' then
	local round = redis.pcall('GET', KEYS[6])
	local ms, nth = string.match(last, '^(%d+)-(%d+)')
	local round_ms, round_nth
	if type(round) == 'string' then
		round_ms, round_nth = string.match(round, '^(%d+)-(%d+)$')
	end
	if ms and round_ms and (tonumber(ms) < tonumber(round_ms) or
		(tonumber(ms) == tonumber(round_ms) and
			tonumber(nth) <= tonumber(round_nth))) then
		redis.call('UNLINK', KEYS[5])
	end
	redis.call('DEL', KEYS[2])
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
