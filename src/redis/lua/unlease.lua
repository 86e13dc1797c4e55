-- Gives a lease back.
--
-- KEYS: lease.  ARGV: its token.  Returns 1 = it was ours, 0 = it was not.

if redis.pcall('GET', KEYS[1]) == ARGV[1] then
	return redis.call('DEL', KEYS[1])
end
return 0
