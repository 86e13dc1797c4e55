-- Grants the lease of a key, unless there is a hit.
--
-- KEYS: key, lease, position, companion, tag sets.
-- ARGV:
--   1  token of the lease
--   2  how long the lease lasts, in milliseconds
--   3  epoch that the position must have
--   4  fingerprint: how the companion of a hit begins
--   5  '1' = a value without companion is a hit if it is a row
--   6  how long the value to come lasts, in milliseconds; 0 = for ever
--   7  LSN that the position must have reached: upper half,
--   8  and lower half
--   9  a hit that lasts no longer than this is none, in milliseconds; 0 = any is
-- Returns {1, value, its milliseconds or -1, companion or 0} = a hit,
-- {2} = leased, {0} = somebody else has the lease, {3} = the position is of
-- another epoch, or behind; or the error of a GET.
--
-- A hit that does not last stays where it is beside the lease: it is as good as it
-- was, and whoever deletes it deletes the lease.

local position = redis.call('HMGET', KEYS[3], 'epoch', 'lsn')
if position[1] ~= ARGV[3] then
	return {3}
end
local upper, lower = string.match(position[2] or '', '^(%x+)/(%x+)$')
if not upper then
	return {3}
end
local ahead = tonumber(upper, 16) - ARGV[7]
if ahead < 0 or (ahead == 0 and tonumber(lower, 16) < tonumber(ARGV[8])) then
	return {3}
end

local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then
	return value
end

-- A companion, lease or tag set of another type is none, and is deleted.
local function is_odd(reply)
	return type(reply) == 'table' and reply.err
		and string.find(reply.err, 'WRONGTYPE', 1, true)
end
local companion = value and redis.pcall('GET', KEYS[4])
if is_odd(companion) then
	redis.call('UNLINK', KEYS[4])
	companion = ''
end
if type(companion) == 'table' then
	return companion
end
for i = 5, #KEYS do
	local score = redis.pcall('ZSCORE', KEYS[i], KEYS[1])
	if is_odd(score) then
		redis.call('UNLINK', KEYS[i])
	elseif type(score) == 'table' then
		return score
	end
end

local hit
if value then
	if companion then
		hit = string.sub(companion, 1, #ARGV[4]) == ARGV[4]
	else
		-- rtc_is_row_text(): the last byte is a closing brace
		hit = ARGV[5] == '1' and string.byte(value, -1) == 125
			and string.find(value, '^{"[^"\\]*":[^ ]')
	end
	for i = 5, #KEYS do
		hit = hit and redis.call('ZSCORE', KEYS[i], KEYS[1])
	end
	local left = hit and redis.call('PTTL', KEYS[1])
	-- 2^63: for ever, which is not longer than the largest argument
	if hit and (ARGV[9] == '0' or
		(left < 0 and 2 ^ 63 or left) > tonumber(ARGV[9])) then
		return {1, value, left, companion or 0}
	end
end

-- What stands in a lease's place without an end is none either.
local lease = redis.pcall('GET', KEYS[2])
if type(lease) == 'table' and not is_odd(lease) then
	return lease
end
if type(lease) == 'string' and redis.call('PTTL', KEYS[2]) >= 0 then
	return {0}
end

if #KEYS > 4 then
	-- The time of members is that of Redis.  They outlive the value by a second.
	local time = redis.call('TIME')
	local now = time[1] * 1000 + math.floor(time[2] / 1000)
	local over = '+inf'
	if ARGV[6] ~= '0' then
		over = string.format('%.0f', now + ARGV[2] + ARGV[6] + 1000)
	end
	-- The answer of a lookup that is no hit may be outdated: its tag set may
	-- have been evicted before it was dropped.  It must not be taken for a
	-- member once its key is one again, so it is deleted first.
	if companion and not hit then
		redis.call('UNLINK', KEYS[1], KEYS[4])
	end
	for i = 5, #KEYS do
		-- For each member that comes a few go whose time is over; the sweeper
		-- does the rest.
		local old = redis.call('ZRANGEBYSCORE', KEYS[i], '-inf',
			string.format('(%.0f', now), 'LIMIT', 0, 20)
		if #old > 0 then
			redis.call('ZREM', KEYS[i], unpack(old))
		end
		-- What stays must not outlive its membership.  ("CH" changes nothing.)
		redis.call('ZADD', KEYS[i], hit and 'GT' or 'CH', over, KEYS[1])
	end
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return {2}
