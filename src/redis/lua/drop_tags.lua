-- Deletes keys that are in a tag set, and takes them out of it.
--
-- KEYS: tag set.
-- ARGV: how many at most, the channel that is told of the keys (publish.c) or ''.
-- Returns {members taken out, values deleted}; or the error of the ZRANGE.
--
-- Names of leases and companions are made as in names.c.  Of each key the lease
-- goes first, so that a fill on its way is refused.

local keys = redis.pcall('ZRANGE', KEYS[1], 0, ARGV[1] - 1)
if keys.err then
	if not string.find(keys.err, 'WRONGTYPE', 1, true) then
		return keys
	end
	-- Something else under this name would stop the relay for good.
	redis.call('UNLINK', KEYS[1])
	return {0, 0}
end
if #keys == 0 then
	return {0, 0}
end

local beside = {}
for i, key in ipairs(keys) do
	local open = string.find(key, '{', 1, true)
	local close = open and string.find(key, '}', open + 1, true)
	local name = key
	if not (close and close > open + 1) then
		name = '{' .. key .. '}'
	end
	beside[i] = name .. '~lease'
	beside[#keys + i] = name .. '~query'
end
redis.call('UNLINK', unpack(beside))
local deleted = redis.call('UNLINK', unpack(keys))
if ARGV[2] ~= '' then
	for _, key in ipairs(keys) do
		redis.call('PUBLISH', ARGV[2],
			(string.gsub(key, '[*?%[%]\\]', '\\%0')))
	end
end
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, #keys - 1)
return {#keys, deleted}
