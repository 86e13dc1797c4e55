-- Stores values of rules under keys whose leases are ours, and gives these back.
--
-- KEYS: position; then key, lease and companion of each.
-- ARGV: token of the leases, epoch that the position must have; then, of each key,
-- its value ('' = only give the lease back) and its milliseconds (0 = for ever).
-- Returns how many values were stored; -1 = the epoch is another one.
--
-- What a rule stores has no companion.  Under a key that is written behind nothing is
-- stored while entries may be pending (behind.lua).

if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[2] then
	return -1
end
local stored = 0
local arg = 3
for i = 2, #KEYS, 3 do
	if redis.pcall('GET', KEYS[i + 1]) == ARGV[1] then
		if ARGV[arg] == '' or
			redis.call('EXISTS', '{' .. KEYS[i] .. '}~behind') == 1 then
			redis.call('UNLINK', KEYS[i + 1])
		else
			if ARGV[arg + 1] == '0' then
				redis.call('SET', KEYS[i], ARGV[arg])
			else
				redis.call('SET', KEYS[i], ARGV[arg], 'PX', ARGV[arg + 1])
			end
			redis.call('UNLINK', KEYS[i + 1], KEYS[i + 2])
			stored = stored + 1
		end
	end
	arg = arg + 2
end
return stored
