-- Notes how far an inbox has been applied, and takes out what nobody needs.
--
-- KEYS: inbox, dead letters, position.
-- ARGV: epoch, id of the last entry that was applied, id of the first one that
-- stays ('' = all do).
-- Returns {-1} = the position is of another epoch, {-2} = the inbox is another
-- one; else {entries taken out, entries in the inbox, dead letters}.

if redis.call('HGET', KEYS[3], 'epoch') ~= ARGV[1] then
	return {-1}
end
local noted = redis.pcall('XGROUP', 'SETID', KEYS[1], 'rtcache', ARGV[2])
if type(noted) == 'table' and noted.err then
	return {-2}
end
local taken = 0
if ARGV[3] ~= '' then
	taken = redis.call('XTRIM', KEYS[1], 'MINID', ARGV[3])
end
local dead = redis.pcall('XLEN', KEYS[2])
return {taken, redis.call('XLEN', KEYS[1]), type(dead) == 'number' and dead or 0}
