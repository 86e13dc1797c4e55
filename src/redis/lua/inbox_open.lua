-- Finds out where an inbox stands, and sees to it that new entries have higher
-- ids than all that the database has applied.  Dead letters of entries that it has
-- not applied are taken out: these are in the inbox, and will be tried again.
--
-- KEYS: inbox, dead letters, position.
-- ARGV: epoch, id of the last entry that was applied ('' = not known).
-- Returns {-1} = the position is of another epoch; else {what, id, last id,
-- first id or '', entries}.  what: 0 = there was no inbox, 1 = it was new, nobody
-- had told it how far it was applied, 2 = it says so: id.

local inbox, dead, applied = KEYS[1], KEYS[2], ARGV[2]
if redis.call('HGET', KEYS[3], 'epoch') ~= ARGV[1] then
	return {-1}
end

-- Is id a less than b?  They may be larger than what Lua's numbers hold.
local function less(a, b)
	local a1, a2 = string.match(a, '^(%d+)-(%d+)$')
	local b1, b2 = string.match(b, '^(%d+)-(%d+)$')
	if a1 ~= b1 then
		return #a1 < #b1 or (#a1 == #b1 and a1 < b1)
	end
	return #a2 < #b2 or (#a2 == #b2 and a2 < b2)
end

-- A field of a reply that is a list of fields and values.
local function field(reply, name)
	for i = 1, #reply, 2 do
		if reply[i] == name then
			return reply[i + 1]
		end
	end
end

local what, id = 0, ''
if redis.call('EXISTS', inbox) == 1 then
	what = 1
	for _, group in ipairs(redis.call('XINFO', 'GROUPS', inbox)) do
		if field(group, 'name') == 'rtcache' then
			what = 2
			id = field(group, 'last-delivered-id')
		end
	end
end
if what < 2 then
	redis.call('XGROUP', 'CREATE', inbox, 'rtcache',
		applied == '' and '0-0' or applied, 'MKSTREAM')
end
local last = field(redis.call('XINFO', 'STREAM', inbox), 'last-generated-id')
if applied ~= '' and less(last, applied) then
	redis.call('XSETID', inbox, applied)
end

-- The id of a dead letter is that of its entry, or a higher one.
local before = '+'
while applied ~= '' do
	local letters = redis.call('XREVRANGE', dead, before, '(' .. applied, 'COUNT', 100)
	for _, letter in ipairs(letters) do
		local id = field(letter[2], 'entry')
		if id and less(applied, id) and #redis.call('XRANGE', inbox, id, id) > 0 then
			redis.call('XDEL', dead, letter[1])
		end
		before = '(' .. letter[1]
	end
	if #letters < 100 then
		break
	end
end

local first = redis.call('XRANGE', inbox, '-', '+', 'COUNT', 1)[1]
return {what, id, last, first and first[1] or '', redis.call('XLEN', inbox)}
